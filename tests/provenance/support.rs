//! Keys, pictures and statements for the tests of this folder.

use std::collections::BTreeMap;
use std::path::Path;

use time::OffsetDateTime;
use time::macros::datetime;
use vidimus::digest::Digest;
use vidimus::iscc::ImageCode;
use vidimus::keys::{Entropy, Keys};
use vidimus::manifest::{
    self, Derivation, LoraReference, PolicyReference, ReferenceAsset, SignError, SignedAsset, Software,
    Statement, WatermarkReference,
};
use vidimus::quantity::{Deviation, Psnr, Seed, Strength};
use vidimus::raster::{self, Channels, Format, Raster, Samples};

pub const CARRIERS: [Format; 4] = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff];

/// The SDK judges certificates at its own clock, so these keys must be valid today.
pub fn today() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub fn entropy(n: u8) -> Entropy {
    Entropy { root: [n; 32], signing: [n + 1; 32], watermark: [n + 2; 32] }
}

pub fn keys(dir: &Path) -> Keys {
    Keys::create(dir, today(), &entropy(1)).expect("keys are made")
}

pub fn picture(format: Format, phase: usize) -> Vec<u8> {
    let (w, h) = (96u32, 64u32);
    let samples = (0..(w * h) as usize).map(|i| ((i * 31 + (i / 96) * (17 + phase)) % 256) as u8).collect();
    let raster = Raster::new(w, h, Channels::Grey, Samples::Eight(samples), None);
    raster::encode(&raster, format, 90).expect("it encodes")
}

pub fn statement(reference: &[u8]) -> Statement {
    Statement {
        title: "variation".into(),
        annotations: manifest::Annotations::default(),
        claim_generator: Software { name: "vidimus".into(), version: "0.1.0".into() },
        created: datetime!(2026-11-24 02:00 UTC),
        image_code: Some(ImageCode::from_bytes([0x5a; 32])),
        derivation: Derivation {
            run_id: "01JD0000000000000000000001".into(),
            asset_id: "01JD0000000000000000000002".into(),
            engine: Software { name: "patch".into(), version: "1".into() },
            model_sha256: Some(Digest::of("weights")),
            source_sha256: Digest::of(reference),
            source_pixels_sha256: Digest::of("pixels"),
            denoise_strength: Strength::new(0.55),
            noise_level: Some(0.123456789),
            steps: Some(28),
            varied_share: None,
            guidance: None,
            windows: None,
            sampler: None,
            prediction: None,
            precision: None,
            device: None,
            image_weight: None,
            seed: Some(Seed(u64::MAX)),
            prompt: None,
            negative_prompt: None,
            prompt_withheld: false,
            loras: vec![LoraReference { sha256: Digest::of("lora"), weight: -0.35 }],
            measure: "structure-1".into(),
            deviation: Deviation {
                deviation: 0.62,
                composition: 0.7,
                detail: 0.38,
                copied: 0.1,
                copied_area: 0.05,
                ssim: 0.31,
                psnr_db: 14.2,
            },
            policy: PolicyReference {
                name: "default".into(),
                sha256: Digest::of("policy"),
                limits: BTreeMap::from([("minimum_deviation".into(), 0.35)]),
                others: Vec::new(),
            },
            overridden: None,
            watermark: Some(WatermarkReference {
                algorithm: "org.vidimus.watermark.1".into(),
                payload_id: "ba7816bf8f01-1a2b3".into(),
                level: "long".into(),
                psnr_db: Psnr(43.7),
            }),
            visible_label: None,
            declared: None,
        },
    }
}

pub fn sign_with(
    keys: &Keys,
    bytes: &[u8],
    format: Format,
    reference: &[u8],
) -> Result<SignedAsset, SignError> {
    let credential = keys.credential(None);
    let reference = ReferenceAsset { bytes: reference, mime: format.mime(), title: "reference", store: None };
    manifest::sign(bytes, format.mime(), &statement(reference.bytes), &reference, &credential)
}

pub fn signed(keys: &Keys, format: Format) -> SignedAsset {
    sign_with(keys, &picture(format, 0), format, &picture(format, 9)).expect("it signs")
}

pub fn read(bytes: &[u8], format: Format, anchors: &[String]) -> manifest::Reading {
    manifest::read(bytes, format.mime(), anchors).expect("it reads").expect("it has a manifest")
}

/// The whole chunk of that type, length and CRC included.
pub fn png_chunk<'a>(png: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let at = png.windows(4).position(|w| w == kind).expect("the chunk is there") - 4;
    let length = u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]) as usize;
    &png[at..at + length + 12]
}

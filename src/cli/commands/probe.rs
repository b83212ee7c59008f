use std::path::Path;

use serde_json::{Value, json};

use crate::cli::args::Probe;
use crate::cli::commands::lora_line;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::interrupt::Interrupt;
use crate::cli::progress::Bar;
use crate::cli::term::{BOLD, DIM, Terminal, paint, shown};
use crate::cli::{engine, files};
use crate::digest::Digest;
use crate::generate::{self, Draft, Engine, GenerateError};
use crate::quantity::Seed;
use crate::raster::{self, Limits};
use crate::release::{self, Seeds};

pub fn run(args: &Probe, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let engine = engine::open(&args.engine, engine::Asked::by(&args.model, None), terminal)?;
    let prompt = generate::prompt(args.subject.as_deref(), args.prompt.as_deref()).unwrap_or_default();
    let interrupt = Interrupt::watch()?;
    let mut seeds = Seeds::new(args.seed, &host);
    let mut outcome = Outcome::Yes;
    let mut documents = Vec::new();
    for made in 0..args.count {
        let drawn = if interrupt.is_asked() {
            None
        } else {
            one(args, engine.as_ref(), &prompt, seeds.next(), terminal, &interrupt)?
        };
        let Some((text, document)) = drawn else {
            Interrupt::tell(terminal, made as usize, args.count as usize, "pictures");
            outcome = Outcome::Interrupted;
            break;
        };
        if terminal.json {
            documents.push(document);
        } else {
            terminal.result(&text).map_err(Failure::new)?;
        }
    }
    if terminal.json {
        terminal.documents(documents).map_err(Failure::new)?;
    }
    Ok(outcome)
}

/// One picture, and what is said of it; `None` if the user interrupted it.
fn one(
    args: &Probe,
    engine: &dyn Engine,
    prompt: &str,
    seed: Seed,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Result<Option<(String, Value)>, Failure> {
    let path = args.out.join(format!("probe-{}-{seed}.png", args.engine));
    let mut bar = Bar::new(terminal, Some(interrupt));
    let drawn = engine.text2img(prompt, args.size, seed, &mut bar);
    bar.clear();
    let draft = match drawn {
        Ok(draft) => draft,
        Err(GenerateError::Cancelled) => return Ok(None),
        Err(error @ GenerateError::Unsupported { .. }) => {
            return Err(Failure::new(error).advise("name another --engine"));
        }
        Err(error) => return Err(Failure::new(error)),
    };
    let file = release::glimpse(&draft.raster, &draft.record.engine, None, false).map_err(Failure::new)?;
    files::write(&path, &file, args.force)?;
    Ok(Some(page(&path, &file, &draft)?))
}

fn page(path: &Path, file: &[u8], Draft { raster, record }: &Draft) -> Result<(String, Value), Failure> {
    let written = raster::decode(file, &Limits::default()).map_err(Failure::new)?.raster;
    let line = |name: &str, text: String| format!("{} {text}", paint(BOLD, format_args!("{name:<9}")));
    let size = format!(
        "{}  {}×{}, drawn at {}×{}",
        shown(path),
        written.width(),
        written.height(),
        raster.width(),
        raster.height()
    );
    let prompt = record.prompt.as_deref().unwrap_or_default();
    let loras = record.loras.iter().map(|lora| line("LoRA", lora_line(lora)));
    let text: Vec<String> = [
        line("Drew", size),
        line("Of", format!("{prompt:?}")),
        line("Engine", format!("{}, seed {}, {} steps", record.engine.name, record.seed, record.steps)),
    ]
    .into_iter()
    .chain(loras)
    .chain([line(
        "",
        paint(DIM, "labelled as AI-generated; not watermarked, not recorded, not to be published"),
    )])
    .collect();
    let document = json!({
        "schema": 1,
        "outcome": "drawn",
        "output": path.to_string_lossy(),
        "sha256": Digest::of(file),
        "size": [written.width(), written.height()],
        "drawn_size": [raster.width(), raster.height()],
        "engine": {
            "name": record.engine.name,
            "version": record.engine.version,
            "model_sha256": record.engine.model_digest,
        },
        "seed": record.seed,
        "prompt": record.prompt,
        "noise_level": record.noise_level,
        "steps": record.steps,
        "guidance": record.guidance,
        "negative_prompt": record.negative_prompt,
        "sampler": record.sampler,
        "prediction": record.prediction,
        "precision": record.precision,
        "device": record.device,
        "loras": record.loras,
        "windows": record.windows,
    });
    Ok((text.join("\n"), document))
}

#[cfg(all(test, feature = "diffusion"))]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::generate::diffusion::stable::tiny;
    use crate::metadata;

    #[test]
    fn a_probe_is_small_and_labelled_and_names_no_source() {
        let model = tiny::folder(true);
        let out = tempfile::tempdir().expect("a directory for the tests");
        let interrupt = Interrupt::watch().expect("signals can be watched for");
        let run = |seed: u64, more: &[&str]| {
            let [model, out] = [model.path(), out.path()].map(|path| path.to_str().expect("plain letters"));
            let args =
                ["vidimus", "probe", "--subject", "a virion", "--engine", "stable-diffusion", "--steps", "2"];
            let place = ["--model", model, "--out", out, "--size", "256x320"];
            let cli = Cli::try_parse_from([&args[..], &place, more].concat()).expect("sound arguments");
            let Command::Probe(args) = cli.command else { panic!("it is a probe") };
            let terminal = Terminal::silent();
            let engine = engine::open(&args.engine, engine::Asked::by(&args.model, None), &terminal)?;
            one(&args, engine.as_ref(), "a virion", Seed(seed), &terminal, &interrupt)
        };
        let mut files = Vec::new();
        for seed in [3, 4] {
            let (text, document) = run(seed, &[]).expect("it draws").expect("nobody interrupts it");
            assert!(text.contains("160×200, drawn at 256×320") && text.contains("not watermarked"), "{text}");
            let path = out.path().join(format!("probe-stable-diffusion-{seed}.png"));
            assert_eq!(document["output"].as_str(), path.to_str());
            let file = std::fs::read(path).expect("there");
            let picture = raster::decode(&file, &Limits::default()).expect("a picture").raster;
            assert_eq!((picture.width(), picture.height()), (160, 200), "too small for a watermark");
            let claims = metadata::read(&file);
            let said =
                |claim: &metadata::Claim| claim.ai && claim.statement.ends_with("/trainedAlgorithmicMedia");
            assert!(claims.iter().any(said), "{claims:?}");
            let text = String::from_utf8_lossy(&file).into_owned();
            assert!(text.contains("AISystemUsed>stable-diffusion") && !text.contains("dcterms:source"));
            files.push(file);
        }
        assert_ne!(files[0], files[1]);
        let refused = run(3, &[]).expect_err("it is there").to_string();
        assert!(refused.contains("use --force"), "{refused}");
        assert!(run(3, &["--force"]).is_ok());
        let lora = tiny::lora(model.path());
        let weighed = format!("{}:0.8", lora.display());
        let (text, document) =
            run(3, &["--force", "--lora", &weighed]).expect("it draws").expect("it is not stopped");
        let sha256 = Digest::of(std::fs::read(&lora).expect("there"));
        let said = format!("style.safetensors (sha256 {}…), weight 0.8", sha256.short(16));
        assert!(text.contains(&said), "{text}");
        assert_eq!(
            document["loras"],
            json!([{ "name": "style.safetensors", "sha256": sha256, "weight": 0.8 }])
        );
        assert_ne!(std::fs::read(out.path().join("probe-stable-diffusion-3.png")).expect("there"), files[0]);
    }
}

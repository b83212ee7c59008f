use std::fs;
use std::process::{Child, Command, Output, Stdio};

use clap::Parser;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::cli::args::Cli;
use crate::cli::{commands, report};
use crate::generate::diffusion::stable::tiny;
use crate::hub::server::{Model, Reply, Server};

/// The variable that holds a program's arguments, one a line.
const ARGUMENTS: &str = "VIDIMUS_TEST_ARGUMENTS";

/// The program, in a process of its own: with an environment, and with an end.
#[test]
#[ignore = "the other tests start it"]
fn the_program() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let cli = Cli::try_parse_from(arguments.lines()).expect("sound arguments");
    let global = &cli.global;
    let terminal = Terminal::new(global.color, global.json, global.quiet, global.verbose);
    let outcome = commands::run(&cli, &terminal).unwrap_or_else(|failure| report(&terminal, &failure));
    std::process::exit(outcome as i32)
}

/// A user with an empty home, at work in it.
struct User {
    home: TempDir,
    endpoint: String,
}

impl User {
    fn of(server: &Server) -> User {
        let user =
            User { home: tempfile::tempdir().expect("a new folder"), endpoint: server.address.clone() };
        user.run(&["specimen", "--out", "ref.png", "--size", "256x256"], &[]);
        user
    }

    fn command(&self, arguments: &[&str], env: &[(&str, &str)]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        let name = format!("{}::the_program", module_path!().split_once("::").expect("a crate").1);
        command.args(["--ignored", "--nocapture", "--exact", &name]).current_dir(self.home.path());
        for (variable, _) in std::env::vars_os() {
            if ["HF_", "VIDIMUS_", "XDG_", "COMFYUI_"]
                .iter()
                .any(|of| variable.to_string_lossy().starts_with(of))
            {
                command.env_remove(variable);
            }
        }
        let arguments = ["vidimus", "--color", "never"].iter().chain(arguments).copied().collect::<Vec<_>>();
        command.env(ARGUMENTS, arguments.join("\n")).env("HOME", self.home.path());
        command.env("HF_ENDPOINT", &self.endpoint).envs(env.iter().copied());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str], env: &[(&str, &str)]) -> Output {
        self.command(arguments, env).output().expect("this test starts")
    }

    fn vary(&self, env: &[(&str, &str)]) -> Output {
        self.run(&VARY, env)
    }

    /// Names of what lies in the cache's folders of models, as far as they have one.
    fn fetched(&self) -> Vec<String> {
        let snapshot = self.home.path().join(".cache/huggingface/hub/models--someone--tiny/snapshots");
        let mut names: Vec<String> = Model::of_folder(&snapshot)
            .files
            .into_keys()
            .filter_map(|name| Some(name.split_once('/')?.1.to_owned()))
            .collect();
        names.sort();
        names
    }
}

const VARY: [&str; 14] = [
    "vary",
    "ref.png",
    "--engine",
    "stable-diffusion",
    "--model",
    "someone/tiny",
    "--strength",
    "0.9",
    "--steps",
    "2",
    "--guidance",
    "1",
    "--out",
    "out.png",
];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The one line that a command ended with, which could not do what was asked.
fn refusal(output: &Output) -> String {
    let said = said(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let mut lines = said.lines().filter(|line| !line.is_empty() && !line.starts_with("asking "));
    let line = lines.next().expect("a line").to_owned();
    assert_eq!(lines.next(), None, "{said}");
    line
}

/// A tiny Stable Diffusion with what repositories have beside it.
fn published() -> Model {
    let mut model = Model::of_folder(tiny::folder(false).path());
    for other in [
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/model.onnx",
        "safety_checker/model.safetensors",
        "flax_model.msgpack",
        "sd-v1-4.ckpt",
        ".gitattributes",
    ] {
        model.files.insert(other.to_owned(), b"not read".to_vec());
    }
    model.files.insert("README.md".to_owned(), b"---\nlicense: openrail\n---\n# Tiny\n".to_vec());
    model.card = json!({ "license": "openrail" });
    model
}

#[test]
fn a_model_that_is_named_by_its_id_is_fetched_once_and_drawn_with() {
    let server = Server::of(published());
    let user = User::of(&server);
    let first = user.vary(&[]);
    let told = said(&first);
    assert_eq!(first.status.code(), Some(0), "{told}");
    assert!(user.home.path().join("out.png").is_file());
    for part in
        ["fetching someone/tiny at 0123456789ab", " in 5 files, into ", "licence openrail", "1/5 tokenizer/"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let read = [
        "README.md",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ];
    assert_eq!(user.fetched(), read);
    // From now on it is there, whether a hub is or not.
    drop(server);
    let again = user.run(&[&VARY[..], &["--force"]].concat(), &[("HF_HUB_OFFLINE", "1")]);
    assert_eq!(
        (again.status.code(), said(&again).contains("fetching")),
        (Some(0), false),
        "{}",
        said(&again)
    );
}

#[test]
fn a_fetch_that_is_interrupted_goes_on_where_it_was() {
    const WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";
    let model = published();
    let whole = model.files[WEIGHTS].len();
    let server = Server::new(move |asked| {
        let mut reply = model.answer(asked);
        if asked.path.ends_with(WEIGHTS) && asked.range.is_none() {
            (reply.cut, reply.hold) = (Some(whole / 2), Duration::from_secs(30));
        }
        reply
    });
    let user = User::of(&server);
    let mut running: Child = user
        .command(&VARY, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test starts");
    let blobs = user.home.path().join(".cache/huggingface/hub/models--someone--tiny/blobs");
    let parts = || {
        fs::read_dir(&blobs)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().extension().is_some())
    };
    let grown = || parts().any(|part| part.metadata().is_ok_and(|part| part.len() == (whole / 2) as u64));
    while !grown() {
        assert!(running.try_wait().expect("it runs").is_none(), "it ended before half of it had come");
        std::thread::sleep(Duration::from_millis(20));
    }
    // A program that is started in the background may have INT ignored, and so have those that it starts.
    let interrupted =
        Command::new("kill").args(["-TERM", &running.id().to_string()]).status().expect("kill runs");
    assert!(interrupted.success() && !running.wait().expect("it ends").success());
    let again = user.vary(&[]);
    let told = said(&again);
    assert_eq!(again.status.code(), Some(0), "{told}");
    assert!(told.contains("the last "), "{told}");
    let ranges: Vec<_> = server
        .asked()
        .iter()
        .filter(|asked| asked.path.ends_with(WEIGHTS))
        .map(|asked| asked.range)
        .collect();
    assert_eq!(ranges, [None, Some(whole / 2)]);
}

#[test]
fn what_cannot_be_fetched_is_told_in_one_line_with_what_to_do() {
    let gated = Server::new(|asked| match asked.path.contains("/resolve/") {
        true => Reply::status(401).with("X-Error-Code", "GatedRepo"),
        false => published().answer(asked),
    });
    let user = User::of(&gated);
    let page = format!("accept it on {}/someone/tiny", gated.address);
    assert_eq!(
        refusal(&user.vary(&[])),
        format!(
            "error: someone/tiny is given only to who has accepted its licence; {page}, then set HF_TOKEN to a token of your account"
        )
    );
    assert!(
        refusal(&user.vary(&[("HF_TOKEN", "x")]))
            .ends_with(&format!("{page}, with the account of your token"))
    );
    let before = gated.asked().len();
    let offline = refusal(&user.vary(&[("HF_HUB_OFFLINE", "1")]));
    assert!(offline.contains("HF_HUB_OFFLINE is set") && gated.asked().len() == before, "{offline}");
    // What is wrong with the rest is found before the hub is asked.
    fs::remove_file(user.home.path().join("ref.png")).expect("it is there");
    assert_eq!(refusal(&user.vary(&[])), "error: ref.png: no such file");
    assert_eq!(gated.asked().len(), before);

    let none = User::of(&Server::new(|_| Reply::status(401).with("X-Error-Code", "RepoNotFound")));
    assert!(refusal(&none.vary(&[])).contains("cannot be reached"));
    let server = Server::new(|_| Reply::status(404));
    let none = User::of(&server);
    assert_eq!(
        refusal(&none.vary(&[])),
        "error: the hub shows no model someone/tiny; check its name; if it is private, set HF_TOKEN"
    );
}

#[test]
fn a_model_of_another_kind_is_refused_before_its_weights_are_fetched() {
    for (file, text, expected) in [
        ("model_index.json", r#"{"_class_name": "FluxPipeline"}"#, "expected a Stable Diffusion pipeline"),
        ("unet/config.json", r#"{"class_embed_type": "timestep"}"#, "unet/config.json: expected"),
        (
            "unet/diffusion_pytorch_model.safetensors.index.json",
            r#"{"weight_map": {"a": "../x"}}"#,
            "unet has no safetensors",
        ),
        (
            "unet/diffusion_pytorch_model.safetensors.index.json",
            r#"{"weight_map": {"a": "lost"}}"#,
            "names unet/lost, which is not there",
        ),
    ] {
        let mut model = published();
        model.files.insert(file.to_owned(), text.into());
        if file.ends_with("index.json") && file.starts_with("unet") {
            model.files.retain(|name, _| !(name.starts_with("unet/") && name.ends_with(".safetensors")));
        }
        let server = Server::of(model);
        let line = refusal(&User::of(&server).vary(&[]));
        assert!(line.contains(expected), "{line}");
        assert!(!server.asked().iter().any(|asked| asked.path.ends_with(".safetensors")), "{line}");
    }
    let mut model = published();
    model.files.remove("model_index.json");
    let server = Server::of(model);
    let line = refusal(&User::of(&server).vary(&[]));
    assert!(line.contains("it has no model_index.json"), "{line}");
}

#[test]
fn tokens_and_places_are_those_of_the_hubs_own_programs() {
    let home = tempfile::tempdir().expect("a new folder");
    let with = |names: &'static [(&'static str, &'static str)]| {
        let home = home.path().to_owned();
        move |name: &str| {
            let value = names.iter().find(|(known, _)| *known == name)?.1;
            Some(value.strip_prefix('/').map_or(value.into(), |path| home.join(path).into_os_string()))
        }
    };
    fs::create_dir_all(home.path().join(".cache/huggingface")).expect("a new folder");
    fs::write(home.path().join(".cache/huggingface/token"), "kept\n").expect("a new file");
    fs::write(home.path().join("other"), "elsewhere").expect("a new file");
    assert_eq!(token(&with(&[("HOME", "/")])).as_deref(), Some("kept"));
    assert_eq!(token(&with(&[("HOME", "/"), ("HF_TOKEN", "given ")])).as_deref(), Some("given"));
    assert_eq!(token(&with(&[("HOME", "/"), ("HF_TOKEN_PATH", "/other")])).as_deref(), Some("elsewhere"));
    assert_eq!(token(&with(&[("HF_HOME", "/nothing")])), None);
    assert_eq!(endpoint(&with(&[])), HUGGING_FACE);
    let offline = [("1", true), ("true", true), ("YES", true), ("0", false), ("off", false)];
    for (value, expected) in offline {
        assert_eq!(is_offline(&|_| Some(value.into())), expected, "{value}");
    }
    assert_eq!(places::hub(&with(&[("XDG_CACHE_HOME", "/c")])), Some(home.path().join("c/huggingface/hub")));
}

#[test]
fn a_licence_that_forbids_commerce_is_said_so_for_marketing() {
    let id = Id::parse("black-forest-labs/FLUX.1-dev").expect("an id");
    let mut of = Model::new(&[]);
    of.card = json!({ "license": "other", "license_name": "flux-1-dev-non-commercial-license" });
    let server = Server::of(of);
    let settings = Settings { endpoint: server.address.clone(), token: None, patience: PATIENCE };
    let hub = Hub::new(settings, Cache::new("nowhere".into())).expect("an address");
    let told = terms(&hub.look(&id).expect("a model"), HUGGING_FACE);
    assert!(told.starts_with("licence flux-1-dev-non-commercial-license: "), "{told}");
    assert!(told.contains("not for commercial use, marketing included"), "{told}");
    assert!(told.ends_with("see https://huggingface.co/black-forest-labs/FLUX.1-dev"), "{told}");
}

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::catalog::Catalog;
use crate::cli::args::Serve;
use crate::cli::error::{Failure, Outcome};
use crate::cli::host::System;
use crate::cli::interrupt::Interrupt;
use crate::cli::term::{BOLD, Terminal, WARN, paint};
use crate::cli::{engine, passphrase, place};
use crate::host::Host;
use crate::keys::Keys;
use crate::web::{BindError, Bounds, Door, Engines, Offer, Opened, Server, Settings};

pub fn run(args: &Serve, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let mut secret = [0; 64];
    host.random(&mut secret);
    let door = Door::new(Settings {
        bind: args.bind,
        token: args.token.clone(),
        verify_only: args.public_verify_only,
        hosts: args.host.clone(),
        secret,
    });
    // Known before anything is made.
    let door = door.map_err(explain)?;
    let workspace = if args.public_verify_only {
        place::find(place)?
    } else {
        let (workspace, _) = place::find_or_make(place, &host, terminal)?;
        // Brought up to date now, by whom may write: pages only read.
        Catalog::open(&workspace.database()).map_err(Failure::new)?;
        Some(workspace)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bounds = Bounds::new(door.is_public(), cores);
    // Asked for once, before there is anybody to wait for it.
    let locked = workspace.as_ref().is_some_and(|workspace| Keys::is_locked(&workspace.keys()));
    let secret =
        (locked && !args.public_verify_only).then(passphrase::given).transpose().map_err(Failure::new)?;
    let opened = Opened { workspace, host: Arc::new(host), engines: engines(args), bounds, secret };
    let interrupt = Interrupt::watch()?;
    let server = Server::bind(door, opened).map_err(explain)?;
    let address = format!("http://{}/", reached(server.address()));
    if terminal.json {
        let document = json!({ "schema": 1, "address": address });
        terminal.result(&document.to_string()).map_err(Failure::new)?;
    } else {
        terminal.result(&address).map_err(Failure::new)?;
    }
    terminal.talk(&format!("{} until Ctrl-C", paint(BOLD, "serving")));
    let asked = interrupt.clone();
    server.run(move || asked.is_asked()).map_err(Failure::new)?;
    terminal.talk(&format!("{} what was recorded stays, nothing else is left", paint(WARN, "stopped:")));
    Ok(Outcome::Yes)
}

/// Where this machine reaches it.
fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The engines that are whole here, each opened when a job wants it.
fn engines(args: &Serve) -> Engines {
    let model = args.model.clone();
    let (_, listed) = engine::list(model.as_deref());
    let all = listed["engines"].as_array().cloned().unwrap_or_default();
    let ready = all.iter().filter(|engine| engine["ready"] == true);
    let offers = ready.map(|engine| Offer {
        name: engine["name"].as_str().unwrap_or_default().to_owned(),
        reads_prompt: engine["reads_prompt"] == true,
    });
    let open = move |name: &str| {
        // The embedded engine has no weights to name.
        let model = model.as_deref().filter(|_| name != "patch");
        let quiet = Terminal::new(crate::cli::args::Color::Never, false, true, false);
        let asked = engine::Asked { model, ..engine::Asked::default() };
        engine::open(name, asked, &quiet).map_err(|failure| failure.to_string())
    };
    Engines { offers: offers.collect(), open: Box::new(open) }
}

fn explain(error: BindError) -> Failure {
    let failure = Failure::new(&error);
    match error {
        BindError::Open { .. } => {
            failure.advise("with a token others can do all, without one they may only verify")
        }
        BindError::ShortToken { .. } => failure.advise("'openssl rand -hex 16' makes one"),
        BindError::Taken { .. } => failure.advise("choose another --bind"),
    }
}

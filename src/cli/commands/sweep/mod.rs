mod told;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::vary::reference;
use super::{drawable, same_file};
use crate::cli::args::Sweep;
use crate::cli::energy::Energy;
use crate::cli::engine::{self, Asked};
use crate::cli::error::{Failure, Outcome};
use crate::cli::files;
use crate::cli::host::System;
use crate::cli::interrupt::Interrupt;
use crate::cli::place::{self, Studio};
use crate::cli::progress::Bar;
use crate::cli::term::Terminal;
use crate::generate::{Engine, GenerateError, Request};
use crate::host::Host;
use crate::label::Visible;
use crate::quality::Original;
use crate::quantity::{Seed, Strength};
use crate::raster::{self, Format, Limits};
use crate::release::Seeds;
use crate::release::{self, Desk, Order, Past, Reference, ReleaseError, Source, Step, Telling, reduced};
use crate::sweep::{self, Cell, End, SHOWN};

/// More pictures nobody looks at.
const MOST: usize = 500;
/// Long side in pixels at which drafts are compared with one another.
const COMPARED: u32 = 256;

pub fn run(args: &Sweep, place: Option<&Path>, terminal: &Terminal) -> Result<Outcome, Failure> {
    let host = System::new()?;
    let bytes = files::read(&args.reference)?;
    let strengths = distinct(&args.strengths);
    let wanted = strengths.len() * args.seeds as usize * args.engines.len();
    if wanted > MOST {
        return Err(Failure::new(format_args!(
            "{wanted} pictures are too many for one sweep: at most {MOST}"
        )));
    }
    let stated = args.stated.subject();
    place::check_policy(place, &args.policy, &stated)?;
    let mut seeds = Seeds::new(args.seed, &host);
    let seeds: Vec<Seed> = (0..args.seeds).map(|_| seeds.next()).collect();
    let plan = Plan { args, strengths, seeds };
    let pages = Pages::of(args);
    plan.check(&pages)?;
    let engines = plan.engines(terminal)?;

    let interrupt = Interrupt::watch()?;
    let Studio { workspace, keys, shelf, mut catalog } = place::studio(place, &host, terminal)?;
    let reference = reference(args.enlarge, &args.reference, bytes, &keys, terminal)?;
    let said = Past::of(&reference, &catalog, &workspace).map_err(Failure::new)?.said;
    let policy = shelf.select(&args.policy, &said.and(stated.clone())).map_err(Failure::new)?;
    let original = Original::new(reference.canvas());

    let mut cells = Vec::with_capacity(wanted);
    let (mut interrupted, mut stopped) = (false, None);
    'all: for engine in &engines {
        for &strength in &plan.strengths {
            for &seed in &plan.seeds {
                let mut desk = Desk {
                    host: &host,
                    workspace: &workspace,
                    keys: &keys,
                    catalog: &mut catalog,
                    policy: &policy,
                    engine: engine.as_ref(),
                    witness: &|_| {},
                };
                let order = plan.order(engine.as_ref(), strength, seed);
                let mut bar = Bar::new(terminal, Some(&interrupt));
                let drawn =
                    cell(&mut desk, &reference, &order, original.as_ref(), args.show_refused, &mut bar);
                bar.clear();
                match drawn {
                    Ok(Some(cell)) => {
                        terminal.talk(&told::line(&cell, policy.limits(), cells.len() + 1, wanted));
                        cells.push(cell);
                    }
                    Ok(None) => {
                        interrupted = true;
                        break 'all;
                    }
                    Err(failure) => {
                        stopped = Some(failure);
                        break 'all;
                    }
                }
            }
        }
    }
    // What was made by then is shown all the same.
    if let Some(failure) = stopped.take_if(|_| cells.is_empty()) {
        return Err(failure);
    }
    let prompt = crate::generate::prompt(args.subject.as_deref(), args.prompt.as_deref());
    let page = sweep::Sweep {
        title: &reference.title,
        sha256: reference.sha256,
        reference: reference.canvas(),
        policy: &policy.name(),
        limits: policy.limits(),
        prompt: prompt.as_deref(),
        cells: &cells,
        made: host.now(),
        folder: pages.html.parent().unwrap_or(Path::new("")),
    };
    files::write(&pages.html, sweep::html(&page).map_err(Failure::new)?.as_bytes(), args.force)?;
    files::write(&pages.sheet, &sweep::sheet(&page).map_err(Failure::new)?, args.force)?;
    told::all(args, &page, &pages, terminal)?;
    if interrupted {
        Interrupt::tell(terminal, cells.len(), wanted, "drafts");
    }
    stopped.map_or_else(|| Ok(outcome(&cells, interrupted)), Err)
}

fn outcome(cells: &[Cell], interrupted: bool) -> Outcome {
    if interrupted {
        Outcome::Interrupted
    } else if cells.iter().any(|cell| matches!(cell.end, End::Failed(_))) {
        Outcome::CouldNot
    } else if cells.iter().any(|cell| matches!(cell.end, End::Released { .. })) {
        Outcome::Yes
    } else {
        Outcome::No
    }
}

/// One picture; `None` if the user interrupted it.
fn cell(
    desk: &mut Desk<'_>,
    reference: &Reference,
    order: &Order,
    original: Option<&Original<'_>>,
    show_refused: bool,
    bar: &mut Bar<'_>,
) -> Result<Option<Cell>, Failure> {
    let request = order.request().ok_or_else(|| Failure::new("a sweep draws its pictures"))?;
    let mut cell = Cell {
        engine: desk.engine.describe(),
        strength: request.strength,
        seed: request.seed,
        end: End::Failed(String::new()),
        deviation: None,
        quality: None,
        seconds: None,
        joules: None,
        small: None,
        shown: None,
    };
    let (before, drawn) = (Energy::now(), RefCell::new(None));
    let read = |step| {
        if step == Step::Generated {
            drawn.replace(Energy::now());
        }
    };
    let mut desk = Desk { witness: &read, catalog: &mut *desk.catalog, ..*desk };
    let (outcome, draft) = match sweep::draw(&mut desk, reference, order, bar) {
        Ok(drawn) => drawn,
        Err(ReleaseError::Generate(GenerateError::Cancelled)) => return Ok(None),
        // A disk that is full or a catalog that is damaged ends all; what one draft lacks does not.
        Err(
            error @ (ReleaseError::Generate(_) | ReleaseError::Measure(_) | ReleaseError::Unmarkable { .. }),
        ) => {
            cell.end = End::Failed(error.to_string());
            return Ok(Some(cell));
        }
        Err(error) => return Err(Failure::new(error)),
    };
    cell.joules = before.zip(drawn.take()).and_then(|(before, after)| before.until(&after));
    let seconds = |timings: &release::Timings| Some(timings.generate / 1000.0);
    match outcome {
        release::Outcome::Released(done) => {
            cell.deviation = Some(done.deviation);
            cell.seconds = seconds(&done.timings);
            let file = files::read(&done.output)?;
            let decoded = raster::decode(&file, &Limits::default())
                .map_err(|error| Failure::at(done.output.display(), error))?;
            cell.shown = Some(decoded.raster.flatten().within(SHOWN));
            cell.end = End::Released { output: done.output, sha256: done.sha256, asset: done.asset_id };
        }
        release::Outcome::Refused(refused) => {
            cell.deviation = refused.deviation;
            cell.seconds = refused.origin.as_ref().and_then(|_| seconds(&refused.timings));
            cell.shown = draft.as_ref().filter(|_| show_refused).map(reduced);
            cell.end = End::Refused(refused.refusal.to_string());
        }
        release::Outcome::Trial(_) => return Err(Failure::new("a sweep does not try, it releases")),
    }
    cell.quality = draft.as_ref().zip(original).and_then(|(draft, original)| original.compare(draft));
    cell.small = draft.as_ref().map(|draft| draft.within(COMPARED));
    Ok(Some(cell))
}

/// Where page and sheet go.
struct Pages {
    html: PathBuf,
    sheet: PathBuf,
}

impl Pages {
    fn of(args: &Sweep) -> Pages {
        let or = |asked: &Option<PathBuf>, name: &str| asked.clone().unwrap_or_else(|| args.out.join(name));
        Pages { html: or(&args.html, "report.html"), sheet: or(&args.sheet, "sheet.png") }
    }
}

/// What is to be drawn.
struct Plan<'a> {
    args: &'a Sweep,
    strengths: Vec<Strength>,
    seeds: Vec<Seed>,
}

impl Plan<'_> {
    /// What is there already, known before anything is drawn.
    fn check(&self, pages: &Pages) -> Result<(), Failure> {
        let mut paths = vec![&pages.html, &pages.sheet];
        let pictures: Vec<PathBuf> = self.pictures().collect();
        paths.extend(&pictures);
        if let Some(twice) =
            (1..paths.len()).find(|&at| paths[..at].iter().any(|one| same_file(one, paths[at])))
        {
            return Err(Failure::at(
                paths[twice].display(),
                "sheet, page and pictures need names of their own",
            ));
        }
        drawable(&pages.sheet, "a contact sheet", &[&self.args.reference], self.args.force)?;
        if same_file(&pages.html, &self.args.reference) {
            return Err(Failure::at(pages.html.display(), "the page would overwrite the reference"));
        }
        files::writable(&pages.html, self.args.force)?;
        pictures.iter().try_for_each(|path| files::writable(path, self.args.force))
    }

    fn pictures(&self) -> impl Iterator<Item = PathBuf> {
        let of = move |name, strength| self.seeds.iter().map(move |&seed| self.path(name, strength, seed));
        let names = self.args.engines.iter();
        names.flat_map(move |name| self.strengths.iter().flat_map(move |&strength| of(name, strength)))
    }

    /// Flags for a model are for the engines that have one.
    fn engines(&self, terminal: &Terminal) -> Result<Vec<Box<dyn Engine>>, Failure> {
        let names = &self.args.engines;
        if let Some(twice) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
            return Err(Failure::new(format_args!("engine {} is named twice", names[twice])));
        }
        let with_model = names.iter().filter(|name| *name != "patch").count();
        if with_model > 1 && self.args.model.model.is_some() {
            return Err(Failure::new("--model is of one engine, and several that have a model are named")
                .advise("sweep them one after another"));
        }
        let asked = Asked::by(&self.args.model, None);
        let one = |name: &String| {
            let asked = if name == "patch" && with_model > 0 { Asked::default() } else { asked };
            engine::open(name, asked, terminal)
        };
        names.iter().map(one).collect()
    }

    fn order(&self, engine: &dyn Engine, strength: Strength, seed: Seed) -> Order {
        let args = self.args;
        let prompt = crate::generate::prompt(args.subject.as_deref(), args.prompt.as_deref());
        Order {
            source: Source::Engine(Request { prompt, ..Request::new(strength, seed) }),
            purpose: args.purpose.clone(),
            stated: args.stated.subject(),
            overriding: None,
            encoding: Format::Png.into(),
            sidecar: false,
            out: self.path(engine.describe().name, strength, seed),
            overwrite: args.force,
            telling: Telling::default(),
            visible: Visible::default(),
            dry_run: false,
        }
    }

    /// `NAME-s070-SEED.png`, with the engine where there are several.
    fn path(&self, engine: &str, strength: Strength, seed: Seed) -> PathBuf {
        let engine = Some(engine).filter(|_| self.args.engines.len() > 1);
        let name = files::variation(&self.args.reference, engine, strength, seed, Format::Png);
        self.args.out.join(name)
    }
}

/// Without repetitions, rising.
fn distinct(strengths: &[Strength]) -> Vec<Strength> {
    let mut strengths = strengths.to_vec();
    strengths.sort_by(|a, b| a.value().total_cmp(&b.value()));
    // No nearer than names and records tell them apart.
    strengths.dedup_by(|a, b| (a.value() - b.value()).abs() < 5e-4);
    strengths
}

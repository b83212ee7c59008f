use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::server::{Asked, COMMIT, Model, Reply, Server};
use super::*;
use crate::progress::Silent;

const WEIGHTS: &[u8] = b"forty bytes of what could be weights....";
const NAME: &str = "unet/model.safetensors";

fn model() -> Model {
    Model::new(&[(NAME, WEIGHTS), ("model_index.json", b"{}")])
}

fn cache() -> (TempDir, Cache) {
    let dir = tempfile::tempdir().expect("a directory for the tests");
    let cache = Cache::new(dir.path().join("hub"));
    (dir, cache)
}

fn id() -> Id {
    Id::parse("someone/model").expect("an id")
}

fn hub(server: &Server, cache: &Cache, token: Option<&str>) -> Hub {
    let token = token.map(str::to_owned);
    let settings = Settings { endpoint: server.address.clone(), token, patience: Duration::ZERO };
    Hub::new(settings, cache.clone()).expect("a sound address")
}

/// Fetches all of the model.
fn fetched(server: &Server, cache: &Cache) -> Result<PathBuf, HubError> {
    let hub = hub(server, cache, None);
    let repository = hub.look(&id())?;
    let files: Vec<&File> = repository.files.iter().collect();
    let folder = hub.fetch(&repository, &files, &mut Silent)?;
    hub.settle(&repository)?;
    Ok(folder)
}

/// The file that grows, with this in it.
fn plant(cache: &Cache, bytes: &[u8]) {
    let digest = crate::digest::Digest::of(WEIGHTS);
    let path = cache.root().join("models--someone--model/blobs").join(format!("{digest}.incomplete"));
    fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    fs::write(path, bytes).expect("a new file");
}

fn weights(folder: &Path) -> Vec<u8> {
    fs::read(folder.join(NAME)).expect("it was fetched")
}

/// Names of all that is in a folder and below.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<String> = entries
        .flat_map(|path| {
            let below = if path.is_dir() && !path.is_symlink() { names(&path) } else { Vec::new() };
            below.into_iter().chain([path.file_name().expect("a name").to_string_lossy().into_owned()])
        })
        .collect();
    all.sort();
    all
}

fn requests_of_weights(server: &Server) -> Vec<Asked> {
    server.asked().into_iter().filter(|asked| asked.path.ends_with(NAME)).collect()
}

#[test]
fn a_model_lies_in_the_cache_as_the_hubs_own_programs_have_it() {
    let ((_dir, cache), server) = (cache(), Server::of(model()));
    assert_eq!(cache.snapshot(&id()), None);
    let folder = fetched(&server, &cache).expect("a whole model");
    let repository = cache.root().join("models--someone--model");
    assert_eq!(folder, repository.join("snapshots").join(COMMIT));
    assert_eq!(fs::read_to_string(repository.join("refs/main")).expect("noted"), COMMIT);
    let link = fs::read_link(folder.join(NAME)).expect("a link");
    let digest = crate::digest::Digest::of(WEIGHTS).to_string();
    assert_eq!(link, Path::new("../../../blobs").join(&digest));
    assert_eq!(weights(&folder), WEIGHTS);
    // As `git hash-object` has it of "{}".
    assert!(repository.join("blobs/9e26dfeeb6e641a33dae4961196235bdb965b21b").is_file());
    assert!(
        !names(cache.root()).iter().any(|name| name.ends_with(".incomplete") || name.starts_with(".vidimus"))
    );
    assert_eq!(cache.snapshot(&id()).as_ref(), Some(&folder));
    let commit = Id::parse(&format!("someone/model@{COMMIT}")).expect("an id");
    assert_eq!(cache.snapshot(&commit), Some(folder));

    let before = server.asked().len();
    fetched(&server, &cache).expect("a whole model");
    assert_eq!(server.asked().len(), before + 1, "what is there is not asked for again");
}

#[test]
fn a_file_goes_on_from_any_byte_where_it_was_left() {
    for left in 0..=WEIGHTS.len() {
        let ((_dir, cache), server) = (cache(), Server::of(model()));
        plant(&cache, &WEIGHTS[..left]);
        assert_eq!(weights(&fetched(&server, &cache).expect("a whole model")), WEIGHTS);
        let ranges: Vec<_> = requests_of_weights(&server).iter().map(|asked| asked.range).collect();
        match left {
            0 => assert_eq!(ranges, [None]),
            _ if left == WEIGHTS.len() => assert!(ranges.is_empty(), "it was whole but for its name"),
            _ => assert_eq!(ranges, [Some(left)]),
        }
    }
}

#[test]
fn a_connection_that_breaks_again_and_again_brings_the_file_all_the_same() {
    for piece in [1, 7, 39] {
        let (_dir, cache) = cache();
        let server = Server::new(move |asked| {
            let mut reply = model().answer(asked);
            if asked.path.ends_with(NAME) {
                reply.cut = Some(piece.min(reply.body.len()));
            }
            reply
        });
        assert_eq!(weights(&fetched(&server, &cache).expect("a whole model")), WEIGHTS);
        assert_eq!(requests_of_weights(&server).len(), WEIGHTS.len().div_ceil(piece));
    }
}

#[test]
fn a_host_that_knows_no_ranges_sends_all_of_it_again() {
    for status in [200, 416, 206] {
        let (_dir, cache) = cache();
        plant(&cache, &WEIGHTS[..17]);
        let server = Server::new(move |asked| match (asked.range, status) {
            (Some(_), 416) => Reply::status(416),
            // Another part than was asked for.
            (Some(_), 206) => Reply::of(WEIGHTS, Some(3)),
            _ => model().answer(&Asked { range: None, ..asked.clone() }),
        });
        assert_eq!(weights(&fetched(&server, &cache).expect("a whole model")), WEIGHTS, "{status}");
    }
}

#[test]
fn what_was_left_of_something_else_is_fetched_anew() {
    for left in [&b"something else"[..], &[b'x'; 40], &[b'x'; 90]] {
        let ((_dir, cache), server) = (cache(), Server::of(model()));
        plant(&cache, left);
        assert_eq!(weights(&fetched(&server, &cache).expect("a whole model")), WEIGHTS);
    }
}

/// A server whose weights are these, whatever it says of them.
fn lying(body: &'static [u8], with_length: bool) -> Server {
    Server::new(move |asked| {
        if !asked.path.ends_with(NAME) {
            return model().answer(asked);
        }
        let reply = Reply { body: body.to_vec(), ..Reply::status(200) };
        if with_length { Reply::of(body, None) } else { reply }
    })
}

#[test]
fn a_file_of_another_length_than_the_hub_says_is_refused() {
    for with_length in [true, false] {
        let ((_dir, cache), server) =
            (cache(), lying(b"forty bytes of what could be weights..... and more", with_length));
        let said = fetched(&server, &cache).expect_err("too long").to_string();
        assert!(said.starts_with(&format!("{NAME}: expected 40 bytes, as the hub says, found ")), "{said}");
        assert_eq!(cache.snapshot(&id()), None);
    }
    let ((_dir, cache), server) = (cache(), lying(b"short", true));
    let said = fetched(&server, &cache).expect_err("too short").to_string();
    assert!(said.contains("expected 40 bytes, as the hub says, found 5"), "{said}");
    let ((_dir, cache), server) = (self::cache(), lying(b"short", false));
    let said = fetched(&server, &cache).expect_err("too short").to_string();
    assert!(said.contains("it ended after 5 of 40 bytes"), "{said}");
    assert_eq!(requests_of_weights(&server).len(), 5, "it is asked five times");
}

#[test]
fn a_file_that_is_not_what_the_hub_says_is_thrown_away() {
    let (_dir, cache) = cache();
    let server = lying(b"forty bytes of what could be w3ights....", true);
    let said = fetched(&server, &cache).expect_err("another content").to_string();
    assert!(said.starts_with(&format!(
        "{NAME}: damaged on the way: expected {}",
        crate::digest::Digest::of(WEIGHTS)
    )));
    assert_eq!(requests_of_weights(&server).len(), 1);
    let left = names(&cache.root().join("models--someone--model/blobs"));
    assert!(left.iter().all(|name| name == "9e26dfeeb6e641a33dae4961196235bdb965b21b"), "{left:?}");
}

#[test]
fn what_the_hub_refuses_is_told_in_one_line() {
    for (status, code, token, expected) in [
        (401, "GatedRepo", None, "someone/model is given only to who has accepted its licence"),
        (403, "GatedRepo", Some("t"), "someone/model is given only to who has accepted its licence"),
        (401, "RepoNotFound", None, "the hub shows no model someone/model"),
        (401, "", Some("t"), "the hub shows no model someone/model"),
        (403, "", Some("t"), "someone/model: the hub does not let the token read it"),
        (404, "RepoNotFound", None, "the hub shows no model someone/model"),
        (404, "RevisionNotFound", None, "someone/model: there is no such revision"),
        (410, "", None, " answered 410 for /api/models/someone/model/revision/main"),
        (503, "", None, " answered 503 for /api/models/someone/model/revision/main"),
    ] {
        let (_dir, cache) = cache();
        let server = Server::new(move |_| Reply::status(status).with("X-Error-Code", code));
        let said = hub(&server, &cache, token).look(&id()).expect_err("it is refused").to_string();
        assert!(said.ends_with(expected) && !said.contains('\n'), "{said}");
        assert_eq!(server.asked().len(), if status == 503 { 3 } else { 1 }, "{status}");
        let sent = server.asked()[0].authorization.clone();
        assert_eq!(sent, token.map(|token| format!("Bearer {token}")));
    }
}

#[test]
fn a_gate_shows_when_a_file_is_asked_for() {
    let (_dir, cache) = cache();
    let server = Server::new(|asked| match asked.path.contains("/resolve/") {
        true => Reply::status(403).with("X-Error-Code", "GatedRepo"),
        false => model().answer(asked),
    });
    let refused = fetched(&server, &cache).expect_err("it is gated");
    assert!(matches!(refused, HubError::Gated { with_token: false, .. }), "{refused}");
}

#[test]
fn a_hub_that_stumbles_is_asked_again() {
    let (_dir, cache) = cache();
    let count = Arc::new(AtomicUsize::new(0));
    let server = Server::new(move |asked| match count.fetch_add(1, Ordering::SeqCst) % 3 {
        0 => Reply::status(500),
        1 => Reply::status(429),
        _ => model().answer(asked),
    });
    assert_eq!(weights(&fetched(&server, &cache).expect("a whole model")), WEIGHTS);
}

#[test]
fn a_token_is_for_the_hub_alone_and_not_for_where_it_leads() {
    let (_dir, cache) = cache();
    let store = Server::new(|asked| Reply::of(WEIGHTS, asked.range));
    let far = format!("{}/signed", store.address);
    let server = Server::new(move |asked| match asked.path.as_str() {
        "/here" => Reply::status(302).with("Location", &far),
        path if path.ends_with(NAME) => Reply::status(307).with("Location", "/here"),
        _ => model().answer(asked),
    });
    let hub = hub(&server, &cache, Some("secret"));
    let repository = hub.look(&id()).expect("a model");
    let files: Vec<&File> = repository.files.iter().collect();
    plant(&cache, &WEIGHTS[..9]);
    let folder = hub.fetch(&repository, &files, &mut Silent).expect("a whole model");
    assert_eq!(weights(&folder), WEIGHTS);
    assert!(server.asked().iter().all(|asked| asked.authorization.as_deref() == Some("Bearer secret")));
    let [far] = &store.asked()[..] else { panic!("one request") };
    assert_eq!((far.authorization.as_deref(), far.range, far.path.as_str()), (None, Some(9), "/signed"));
}

#[test]
fn a_circle_of_addresses_ends() {
    let (_dir, cache) = cache();
    let server = Server::new(|_| Reply::status(302).with("Location", "/again"));
    let said = hub(&server, &cache, None).look(&id()).expect_err("it leads nowhere").to_string();
    assert!(said.contains("leads from /again to \"ever further\""), "{said}");
    let server = Server::new(|_| Reply::status(302).with("Location", "ftp://else/where"));
    let said = hub(&server, &cache, None).look(&id()).expect_err("it leads elsewhere").to_string();
    assert!(said.contains("\"ftp://else/where\""), "{said}");
}

#[test]
fn names_that_lead_elsewhere_are_refused_before_anything_is_written() {
    for name in ["../../evil", "/evil", "a/../../evil", "a\\..\\evil"] {
        let ((dir, cache), server) =
            (cache(), Server::of(Model::new(&[(name, b"x"), ("model_index.json", b"{}")])));
        let said = fetched(&server, &cache).expect_err("it is refused").to_string();
        assert!(said.contains("a file whose name leads elsewhere"), "{said}");
        assert!(names(dir.path()).is_empty());
    }
}

#[test]
fn of_two_at_once_one_fetches_and_the_other_waits() {
    let (_dir, cache) = cache();
    let server = Server::new(|asked| Reply { pause: Duration::from_millis(300), ..model().answer(asked) });
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| fetched(&server, &cache).map(|folder| weights(&folder))));
        for one in both {
            assert_eq!(one.join().expect("no panic").expect("a whole model"), WEIGHTS);
        }
    });
    assert_eq!(requests_of_weights(&server).len(), 1);
}

#[test]
fn where_no_hub_is_one_line_says_so() {
    let (_dir, cache) = cache();
    let address = Server::of(model()).address.clone();
    for endpoint in [address.clone(), address.replace("http:", "https:")] {
        let settings = Settings { endpoint, token: None, patience: Duration::ZERO };
        let said =
            Hub::new(settings, cache.clone()).expect("an address").look(&id()).expect_err("nobody is there");
        assert!(matches!(said, HubError::Unreachable { .. }), "{said}");
        assert!(said.to_string().contains("cannot be reached") && !said.to_string().contains('\n'), "{said}");
    }
    // Somebody is there who does not speak TLS.
    let server = Server::of(model());
    let endpoint = server.address.replace("http:", "https:");
    let settings = Settings { endpoint, token: None, patience: Duration::ZERO };
    let said = Hub::new(settings, cache.clone()).expect("an address").look(&id()).expect_err("no TLS");
    assert!(matches!(said, HubError::Unreachable { .. }), "{said}");
    for endpoint in ["", "huggingface.co", "ftp://huggingface.co", "https://"] {
        let settings = Settings { endpoint: endpoint.to_owned(), token: None, patience: Duration::ZERO };
        assert!(
            matches!(Hub::new(settings, cache.clone()).err(), Some(HubError::Endpoint { .. })),
            "{endpoint}"
        );
    }
    let settings = Settings { endpoint: address, token: Some("a\r\nb".into()), patience: Duration::ZERO };
    assert!(matches!(Hub::new(settings, cache).err(), Some(HubError::Token)));
}

#[test]
fn what_the_disk_has_no_room_for_is_not_begun() {
    let ((_dir, cache), server) = (
        cache(),
        Server::new(|_| {
            let mut info = model().info();
            info["siblings"][1]["lfs"]["size"] = json!(1_u64 << 60);
            Reply::of(info.to_string().as_bytes(), None)
        }),
    );
    let hub = hub(&server, &cache, None);
    let repository = hub.look(&id()).expect("a model");
    let files: Vec<&File> = repository.files.iter().collect();
    assert_eq!(hub.lacking(&repository, &files), (1 << 60) + 2);
    let said = hub.room(&repository, &files).expect_err("too much for any disk").to_string();
    assert!(said.contains("1152921504.6 GB are needed and "), "{said}");
    hub.room(&repository, &files[..1]).expect("two bytes fit");
}

#[test]
fn who_is_told_to_stop_leaves_what_can_be_resumed() {
    struct Stopping(u64);
    impl Progress for Stopping {
        fn stage(&mut self, _: &str, _: u64) {}
        fn advance(&mut self, steps: u64) {
            self.0 += steps;
        }
        fn cancelled(&self) -> bool {
            self.0 > 20
        }
    }
    let ((_dir, cache), server) = (cache(), Server::of(model()));
    let hub = hub(&server, &cache, None);
    let repository = hub.look(&id()).expect("a model");
    let stopped = hub.fetch(&repository, &[&repository.files[1]], &mut Stopping(0));
    assert!(matches!(stopped, Err(HubError::Cancelled)));
    assert_eq!(hub.lacking(&repository, &[&repository.files[1]]), 0, "all of it had come");
    assert_eq!(weights(&fetched(&server, &cache).expect("a whole model")), WEIGHTS);
    assert_eq!(requests_of_weights(&server).len(), 1);
}

#[test]
fn revisions_are_told_apart() {
    let ((_dir, cache), server) = (cache(), Server::of(model()));
    let hub = hub(&server, &cache, None);
    let other = Id::parse("someone/model@refs/pr/1").expect("an id");
    let repository = hub.look(&other).expect("a model");
    assert_eq!(server.asked()[0].path, "/api/models/someone/model/revision/refs%2Fpr%2F1?blobs=true");
    hub.fetch(&repository, &[&repository.files[0]], &mut Silent).expect("a file");
    hub.settle(&repository).expect("noted");
    assert!(cache.snapshot(&other).is_some() && cache.snapshot(&id()).is_none());
}

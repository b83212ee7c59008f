//! Laboratories that many tests begin with: set up once, kept in memory, and written out for each of them. All that are
//! written out of one have the same keys: to each other they are no strangers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use crate::common::Lab;

/// What lies in a laboratory: names relative to it, folders before what is in them.
type Contents = Vec<(PathBuf, u32, Option<Vec<u8>>)>;

static SET_UP: Mutex<BTreeMap<String, Arc<OnceLock<Contents>>>> = Mutex::new(BTreeMap::new());

/// The laboratory `name` as `make` sets it up, which it does once.
pub fn prepared(name: &str, make: impl FnOnce() -> Lab) -> Lab {
    let place = SET_UP.lock().expect("nobody panics with it").entry(name.to_owned()).or_default().clone();
    let contents = place.get_or_init(|| contents(&make()));
    let lab = Lab::new();
    for (name, mode, bytes) in contents {
        let path = lab.path(name);
        match bytes {
            Some(bytes) => fs::write(&path, bytes).expect("writable"),
            None => fs::create_dir(&path).expect("a folder"),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("its owner is us");
    }
    lab
}

/// A laboratory with `out.png`, released from `ref.png`, which is as large as `size` says.
pub fn released(size: &str) -> Lab {
    prepared(&format!("released {size}"), || {
        let lab = Lab::new();
        lab.run(["specimen", "--out", "ref.png", "--size", size, "--seed", "1"]).expect(0);
        lab.variation("ref.png", "out.png", 1);
        lab
    })
}

/// The same with `other.png`, released from `ref.png` as well.
pub fn released_twice(size: &str) -> Lab {
    prepared(&format!("released twice {size}"), || {
        let lab = released(size);
        lab.variation("ref.png", "other.png", 20);
        lab
    })
}

fn contents(lab: &Lab) -> Contents {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(lab.path(&folder)).expect("readable") {
            let entry = entry.expect("readable");
            let name = folder.join(entry.file_name());
            let metadata = entry.metadata().expect("readable");
            let bytes = metadata.is_file().then(|| fs::read(lab.path(&name)).expect("readable"));
            if bytes.is_none() {
                folders.push(name.clone());
            }
            found.push((name, metadata.permissions().mode(), bytes));
        }
    }
    found
}

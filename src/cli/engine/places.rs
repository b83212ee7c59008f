//! Where people have models, and what memory there is for them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A variable of the process's environment.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Folders that may hold a model: the `models` of a ComfyUI, and what the Hugging Face cache has of any model with
/// "flux" in its name, or with the index that diffusers writes. Sorted; only those that are there.
pub fn folders(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let comfy = comfy(env).into_iter().map(|comfy| comfy.join("models")).filter(|dir| dir.is_dir());
    let hub = hub(env);
    let named = |dir: &PathBuf| {
        let name = dir.file_name()?.to_string_lossy().to_lowercase();
        name.starts_with("models--").then(|| name.contains("flux"))
    };
    let repositories = hub.map(|hub| inside(&hub)).unwrap_or_default().into_iter();
    let repositories = repositories.filter_map(|dir| named(&dir).map(|flux| (dir, flux)));
    let snapshots = repositories.flat_map(|(repository, flux)| {
        // The revision that is current, where that is told.
        let current = fs::read_to_string(repository.join("refs/main")).ok();
        let all = inside(&repository.join("snapshots"));
        all.into_iter().filter(move |snapshot| {
            current
                .as_ref()
                .is_none_or(|current| snapshot.file_name().is_some_and(|name| name == current.trim()))
                && (flux || snapshot.join("model_index.json").is_file())
        })
    });
    let mut all: Vec<PathBuf> = comfy.chain(snapshots).collect();
    all.sort();
    all.dedup();
    all
}

/// Files that may be a whole model: what a ComfyUI has in `models/checkpoints` and an A1111 in
/// `models/Stable-diffusion`, in folders of theirs, too. Sorted.
pub fn checkpoints(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let comfy = comfy(env).into_iter().map(|comfy| comfy.join("models/checkpoints"));
    let home = env("HOME").map(PathBuf::from);
    let webui = ["stable-diffusion-webui", "stable-diffusion-webui-forge"];
    let webui = home.iter().flat_map(|home| webui.map(|name| home.join(name)));
    let webui = env("A1111_PATH").map(PathBuf::from).into_iter().chain(webui);
    let mut all = Vec::new();
    for dir in comfy.chain(webui.map(|webui| webui.join("models/Stable-diffusion"))) {
        files_of_weights(&dir, DEPTH, &mut all);
    }
    all.sort();
    all.dedup();
    all
}

/// Folders that may have a CLIP tokenizer: those of a ComfyUI, and of models in the Hugging Face cache.
pub fn tokenizers(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let own = ["models/clip", "models/text_encoders", "models/tokenizer", "comfy/sd1_tokenizer"];
    let comfy = comfy(env).into_iter().flat_map(|comfy| own.map(|name| comfy.join(name)));
    let mut repositories = hub(env).map(|hub| inside(&hub)).unwrap_or_default();
    repositories.sort();
    let snapshots = repositories.into_iter().flat_map(|repository| {
        let is_clip =
            repository.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().contains("clip"));
        let mut all = inside(&repository.join("snapshots"));
        all.sort();
        all.into_iter().flat_map(move |snapshot| {
            let whole = is_clip.then(|| snapshot.clone());
            [snapshot.join("tokenizer")].into_iter().chain(whole)
        })
    });
    comfy.chain(snapshots).filter(|dir| dir.is_dir()).collect()
}

/// Folders of folders that are looked into, and files that are looked at, at most.
const DEPTH: usize = 3;
const MOST_FILES: usize = 1000;

fn files_of_weights(dir: &Path, depth: usize, all: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if all.len() >= MOST_FILES {
            return;
        }
        if path.is_dir() && depth > 0 {
            files_of_weights(&path, depth - 1, all);
        } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("safetensors"))
            && path.is_file()
        {
            all.push(path);
        }
    }
}

/// Where a ComfyUI may be.
fn comfy(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let path = |name: &str| env(name).map(PathBuf::from);
    [path("COMFYUI_PATH"), path("HOME").map(|home| home.join("ComfyUI"))].into_iter().flatten().collect()
}

/// The Hugging Face cache.
pub fn hub(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    env("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(hub_home(env)?.join("hub")))
}

/// Where its programs keep all that is theirs.
pub fn hub_home(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| env(name).map(PathBuf::from);
    let caches = || path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")));
    path("HF_HOME").or_else(|| Some(caches()?.join("huggingface")))
}

/// The folders in a folder; none where it cannot be read.
fn inside(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect()
}

/// Bytes of memory that this process may still take, as far as the system tells: of the machine, or of its container
/// if that has less.
pub fn free_memory() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(available);
    // Files that are merely cached count as taken there, and are given up when memory is asked for.
    let cached = fs::read_to_string("/sys/fs/cgroup/memory.stat").map_or(0, |text| cached(&text));
    let container = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, now)| most.saturating_sub(now.saturating_sub(cached)));
    machine.into_iter().chain(container).min()
}

/// Bytes of cached files, from the text of a control group's `memory.stat`.
fn cached(stat: &str) -> u64 {
    let value =
        |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    ["inactive_file ", "active_file "].iter().filter_map(|name| value(name)).sum()
}

/// From the text of `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:       24000000 kB\nMemAvailable:    1000 kB\nBuffers: 5 kB\n";
        assert_eq!(available(text), Some(1_024_000));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(cached("anon 5\nfile 90\ninactive_file 30\nactive_file 12\n"), 42);
    }

    #[test]
    fn the_cache_is_where_the_environment_says() {
        let root = tempfile::tempdir().expect("a directory for the tests");
        let made = |place: &str| {
            let dir = root.path().join(place).join("models--someone--my-Flux/snapshots/a");
            fs::create_dir_all(&dir).expect("a new folder");
            dir
        };
        let (cache, home) = (made("cache"), made("home/hub"));
        fs::create_dir_all(root.path().join("cache/models--someone--bert/snapshots/a"))
            .expect("a new folder");
        let with = |names: &'static [(&'static str, &'static str)]| {
            let env = |name: &str| {
                let value = names.iter().find(|(known, _)| *known == name)?.1;
                Some(root.path().join(value).into_os_string())
            };
            folders(&env)
        };
        assert_eq!(with(&[("HF_HUB_CACHE", "cache"), ("HF_HOME", "home")]), [cache]);
        assert_eq!(with(&[("HF_HOME", "home")]), [home]);
        assert!(with(&[]).is_empty());
    }
}

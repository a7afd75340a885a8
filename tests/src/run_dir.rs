//! The temporary directory of one cluster or one oracle, and what of it survives a failure.
//!
//! Layout: one folder per node with `server.properties`, `server.log` and `data`, and the streams of the tools. Removed
//! when dropped. After a panic anywhere in the process (a shared broker serves many tests) the data goes and the rest
//! stays, with a line on standard error that says where. The file `keep` in it tells the supervisors the same.

use std::env;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use crate::error::{Error, Result};
use crate::ports::random;

/// The directories in use, for the panic hook.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static PANIC_HOOK: Once = Once::new();

#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    pub(crate) fn create(purpose: &str) -> Result<Self> {
        PANIC_HOOK.call_once(install_panic_hook);
        let name = format!(
            "klamm-{purpose}-{}-{:08x}",
            std::process::id(),
            random() as u32
        );
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).map_err(|error| Error::io("create the directory", &path, &error))?;
        LIVE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(path.clone());
        let run_dir = Self { path };
        if env::var_os("KLAMM_TEST_KEEP").is_some() {
            mark_kept(&run_dir.path);
        }
        Ok(run_dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a folder in it.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir_all(&path)
            .map_err(|error| Error::io("create the directory", &path, &error))?;
        Ok(path)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        LIVE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|path| *path != self.path);
        let removed = if self.path.join("keep").exists() {
            remove_data(&self.path)
        } else {
            fs::remove_dir_all(&self.path)
        };
        if let Err(error) = removed {
            eprintln!(
                "klamm-tests: could not clean {}: {error}",
                self.path.display()
            );
        }
    }
}

/// The last lines of a log, for error messages; empty if it can't be read.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 40;
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn install_panic_hook() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        previous(info);
        // A panic while the list is locked would be ours; then the logs are lost, but not the process.
        if let Ok(live) = LIVE.try_lock() {
            live.iter().for_each(|path| mark_kept(path));
        }
    }));
}

/// Has the logs survive the directory's end, and says where they are.
pub(crate) fn mark_kept(path: &Path) {
    let keep = path.join("keep");
    if !keep.exists() && fs::write(&keep, "").is_ok() {
        eprintln!("klamm-tests: logs are kept in {}", path.display());
    }
}

fn remove_data(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let data = entry?.path().join("data");
        if data.is_dir() {
            fs::remove_dir_all(data)?;
        }
    }
    Ok(())
}

//! Apache Kafka's jars: fetched from Maven Central once, checked before every use.
//!
//! Layout of the cache: `kafka-<version>/*.jar` and `kafka-<version>/SHA256SUMS`, beside it `kafka-<version>.lock`.
//!
//! Invariants
//! - a folder `kafka-<version>` was complete when it got its name; one that no longer matches its sums is fetched again
//! - fetching happens under the lock: parallel test binaries wait for each other
//! - what is in use is never replaced while its sums are right

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::version::Version;

const SUMS: &str = "SHA256SUMS";
/// Kafka brings the API of slf4j and leaves the choice of a backend to us: one that writes to standard error.
const SLF4J: &str = "1.7.36";
/// Brokers before 2.0 use it beside slf4j.
const LOG4J: &str = "1.2.17";
const DEPENDENCY_PLUGIN: &str =
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const JAVA_MIN: u32 = 17;
const INSTALL_JAVA: &str = "install a JDK from 17 on (Debian: apt-get install openjdk-17-jdk-headless), or run ./test, which does";
const INSTALL_MAVEN: &str =
    "install Maven (Debian: apt-get install maven), or run ./test, which does";

/// The jars of one version of Kafka, complete and verified.
#[derive(Clone, Debug)]
pub struct Jars {
    version: Version,
    folder: PathBuf,
    /// Where classes are that are not Kafka's.
    classes: Option<PathBuf>,
}

impl Jars {
    /// The jars of `version`, from the cache or from Maven Central (about 50 MB; it says so on standard error).
    ///
    /// # Errors
    /// Java or Maven are missing, or the version can't be fetched.
    pub fn of(version: Version) -> Result<Self> {
        // Checking 50 MB takes a quarter of a second: once per process is enough.
        static VERIFIED: Mutex<BTreeSet<Version>> = Mutex::new(BTreeSet::new());
        let mut verified = VERIFIED.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = cache_folder()?;
        let jars = Self {
            version,
            folder: cache.join(format!("kafka-{version}")),
            classes: None,
        };
        if verified.contains(&version) {
            return Ok(jars);
        }
        check_java()?;
        fs::create_dir_all(&cache)
            .map_err(|error| Error::io("create the cache", &cache, &error))?;
        let lock_path = cache.join(format!("kafka-{version}.lock"));
        let lock = File::create(&lock_path)
            .map_err(|error| Error::io("create the lock", &lock_path, &error))?;
        lock.lock()
            .map_err(|error| Error::io("take the lock", &lock_path, &error))?;
        if !sums_match(&jars.folder) {
            fetch(version, &jars.folder)?;
        }
        verified.insert(version);
        Ok(jars)
    }

    /// The version that these jars are.
    pub fn version(&self) -> Version {
        self.version
    }

    /// These jars and the class that `source` is, by its name, which is compiled into `folder`.
    ///
    /// # Errors
    /// It can't be compiled; with what the compiler says.
    pub(crate) fn with_class(&self, name: &str, source: &str, folder: PathBuf) -> Result<Self> {
        let file = folder.join(format!("{name}.java"));
        fs::write(&file, source).map_err(|error| Error::io("write", &file, &error))?;
        let mut compiler = Command::new(java_program("javac"));
        compiler.arg("-cp").arg(self.folder.join("*"));
        let output = run(compiler.arg("-d").args([&folder, &file]), INSTALL_JAVA)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Error::new(format!("{name}.java is not compiled:\n{said}")));
        }
        Ok(Self {
            classes: Some(folder),
            ..self.clone()
        })
    }

    /// The command that runs `main` (a class, or a source file) on these jars, without its arguments.
    #[must_use]
    pub fn java(&self, options: &[String], main: &OsStr) -> Vec<OsString> {
        let mut command = vec![java_program("java")];
        command.extend(options.iter().map(OsString::from));
        let mut class_path = self.folder.join("*").into_os_string();
        if let Some(classes) = &self.classes {
            class_path.push(":");
            class_path.push(classes);
        }
        command.extend(["-cp".into(), class_path, main.into()]);
        command
    }
}

fn cache_folder() -> Result<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("KLAMM_TEST_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("klamm-tests")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/klamm-tests")))
        .ok_or_else(|| {
            Error::new("no place for Kafka's jars: set KLAMM_TEST_CACHE, XDG_CACHE_HOME or HOME")
        })
}

/// A program of the JDK.
fn java_program(name: &str) -> OsString {
    let home = env::var_os("JAVA_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from);
    home.map_or(name.into(), |home| {
        home.join("bin").join(name).into_os_string()
    })
}

/// Whether there is a Java that Kafka 4 runs on.
fn check_java() -> Result<()> {
    let output = run(
        Command::new(java_program("java")).arg("-version"),
        INSTALL_JAVA,
    )?;
    let text = String::from_utf8_lossy(&output.stderr);
    // `openjdk version "17.0.15"`; before 9 it was "1.8.0".
    let version = text
        .split('"')
        .nth(1)
        .and_then(|version| version.split(['.', '-']).next()?.parse().ok());
    match version {
        Some(JAVA_MIN..) => Ok(()),
        _ => Err(Error::new(format!(
            "Java {JAVA_MIN} is needed, this is: {}; {INSTALL_JAVA}",
            text.trim()
        ))),
    }
}

/// Fetches into a folder beside `folder` and renames, so that a fetch cut short leaves nothing that looks complete.
fn fetch(version: Version, folder: &Path) -> Result<()> {
    eprintln!(
        "klamm-tests: fetching Apache Kafka {version} from Maven Central into {}",
        folder.display()
    );
    let partial = folder.with_file_name(format!("kafka-{version}.partial"));
    for old in [&partial, folder] {
        if old.exists() {
            fs::remove_dir_all(old)
                .map_err(|error| Error::io("remove the broken cache", old, &error))?;
        }
    }
    fs::create_dir_all(&partial)
        .map_err(|error| Error::io("create the directory", &partial, &error))?;
    let pom = partial.join("pom.xml");
    fs::write(&pom, pom_text(version)).map_err(|error| Error::io("write", &pom, &error))?;

    let mut maven = Command::new("mvn");
    // Strict checksums: Maven's default is to warn of a broken download and to use it.
    maven
        .args(["--batch-mode", "--quiet", "--strict-checksums", "--file"])
        .arg(&pom)
        .arg(DEPENDENCY_PLUGIN);
    maven
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", partial.display()));
    let output = run(&mut maven, INSTALL_MAVEN)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(Error::new(format!(
            "Maven could not fetch Apache Kafka {version} ({}):\n{said}",
            output.status
        )));
    }
    fs::remove_file(&pom).map_err(|error| Error::io("remove", &pom, &error))?;
    let jars = file_names(&partial)?;
    let output = run(
        checksum_command().current_dir(&partial).args(&jars),
        "sha256sum comes with coreutils",
    )?;
    let sums = partial.join(SUMS);
    fs::write(&sums, output.stdout).map_err(|error| Error::io("write", &sums, &error))?;
    fs::rename(&partial, folder)
        .map_err(|error| Error::io("rename to its place", &partial, &error))?;
    if sums_match(folder) {
        Ok(())
    } else {
        Err(Error::io(
            "verify",
            folder,
            &std::io::Error::other("sums differ"),
        ))
    }
}

/// Whether the folder holds exactly the files of its sums, with these sums.
fn sums_match(folder: &Path) -> bool {
    let Ok(sums) = fs::read_to_string(folder.join(SUMS)) else {
        return false;
    };
    let mut listed: BTreeSet<OsString> = sums
        .lines()
        .filter_map(|line| line.split("  ").nth(1))
        .map(OsString::from)
        .collect();
    listed.insert(SUMS.into());
    let mut check = checksum_command();
    check
        .current_dir(folder)
        .args(["--check", "--status", SUMS]);
    listed.len() > 1
        && file_names(folder).is_ok_and(|names| names == listed)
        && run(&mut check, "").is_ok_and(|output| output.status.success())
}

/// `sha256sum`, or its like where there are no GNU coreutils.
fn checksum_command() -> Command {
    let gnu = Command::new("sha256sum")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if gnu.is_ok_and(|status| status.success()) {
        return Command::new("sha256sum");
    }
    let mut command = Command::new("shasum");
    command.args(["--algorithm", "256"]);
    command
}

fn file_names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let read = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    read.map_err(|error| Error::io("list", folder, &error))
}

fn run(command: &mut Command, advice: &str) -> Result<Output> {
    let name = command.get_program().display().to_string();
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::new(format!("could not run {name}: {error}; {advice}")))
}

fn pom_text(version: Version) -> String {
    let exclude = |group: &str, artifact: &str| {
        format!(
            "<exclusion><groupId>{group}</groupId><artifactId>{artifact}</artifactId></exclusion>"
        )
    };
    // Two backends of slf4j on one class path: which one wins is an accident.
    let mut exclusions =
        exclude("org.slf4j", "slf4j-reload4j") + &exclude("org.slf4j", "slf4j-log4j12");
    let has_tools = version.has_tools();
    let broker = format!("kafka_{}", version.scala());
    let (needs_log4j, zookeeper) = (version.needs_log4j(), version.zookeeper());
    if !has_tools {
        exclusions += &(exclude("org.apache.kafka", "kafka-tools")
            + &exclude("org.apache.kafka", "kafka-tools-api"));
    }
    let version = version.to_string();
    let dependency = |group: &str, artifact: &str, version: &str| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>\
             <exclusions>{exclusions}</exclusions></dependency>\n"
        )
    };
    let mut dependencies = dependency("org.apache.kafka", &broker, &version)
        + &dependency("org.slf4j", "slf4j-simple", SLF4J);
    if needs_log4j {
        dependencies += &dependency("log4j", "log4j", LOG4J);
    }
    if let Some(zookeeper) = zookeeper {
        // Named here, it wins over the one that the brokers name.
        dependencies += &dependency("org.apache.zookeeper", "zookeeper", zookeeper);
    }
    if has_tools {
        dependencies += &dependency("org.apache.kafka", "kafka-tools", &version);
    }
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
         <groupId>klamm</groupId><artifactId>kafka-jars</artifactId><version>1</version>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::RunDir;

    #[test]
    fn a_cache_that_was_cut_changed_or_added_to_is_not_trusted() {
        let run_dir = RunDir::create("jars").unwrap();
        let folder = run_dir.path();
        let (jar, other) = (folder.join("a.jar"), folder.join("b.jar"));
        assert!(!sums_match(folder), "no sums yet");
        fs::write(folder.join(SUMS), "").unwrap();
        assert!(!sums_match(folder), "sums of nothing");

        fs::write(&jar, "class").unwrap();
        let output = run(checksum_command().current_dir(folder).arg("a.jar"), "").unwrap();
        fs::write(folder.join(SUMS), output.stdout).unwrap();
        assert!(sums_match(folder));

        fs::write(&jar, "klass").unwrap();
        assert!(!sums_match(folder), "changed");
        fs::remove_file(&jar).unwrap();
        assert!(!sums_match(folder), "missing");
        fs::write(&jar, "class").unwrap();
        fs::write(&other, "one more").unwrap();
        assert!(!sums_match(folder), "added");
    }

    #[test]
    fn tools_are_asked_for_only_where_they_were_published() {
        assert!(
            pom_text("4.3.1".parse().unwrap())
                .contains("<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools")
        );
        let without = pom_text("4.4.0".parse().unwrap());
        assert!(
            without
                .contains("<exclusion><groupId>org.apache.kafka</groupId><artifactId>kafka-tools<")
        );
        assert!(
            !without
                .contains("<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools")
        );
    }
}

//! Writes `crates/codec/src/guard/tables.rs`: what the codec's guard must know of each response to walk over it.
//!
//! `cargo run -p klamm-tests --bin guard_tables [-- --check]`
//!
//! Source: the message schemas in the jar of Kafka's clients, read with the JDK's `jar`. Only the responses of the APIs
//! and versions that the codec speaks, each version resolved on its own and merged with its neighbours where they are
//! alike, so that the walk asks for no version. With `--check` nothing is written; the exit code says whether the file
//! is current.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use klamm_codec::{ApiKey, VersionRange};
use klamm_tests::Jars;
use serde_json::Value;

const KAFKA: &str = "4.4.0";
/// A map of unknown tagged fields in every struct of the message crate.
const TAGS_MEMORY: usize = 24;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let check = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => {
            eprintln!("usage: guard_tables [--check]");
            return ExitCode::from(2);
        }
    };
    match run(check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool) -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/codec/src/guard/tables.rs");
    let text = tables(&response_schemas()?)?;
    if !check {
        fs::write(path, text)?;
    } else if fs::read_to_string(path)? != text {
        return Err("the guard's tables are not what the schemas say: run guard_tables".into());
    }
    Ok(())
}

/// The schemas of all responses, by API key.
fn response_schemas() -> Result<BTreeMap<i16, Value>, Failure> {
    Jars::of(KAFKA.parse()?)?;
    let jar = cache_folder()?.join(format!("kafka-{KAFKA}/kafka-clients-{KAFKA}.jar"));
    let folder = env::temp_dir().join(format!("klamm-guard-tables-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let schemas = unpack(&jar, &folder);
    fs::remove_dir_all(&folder)?;
    schemas
}

/// Where `Jars` keeps what it fetched, as the documentation of the harness has it.
fn cache_folder() -> Result<PathBuf, Failure> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("KLAMM_TEST_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("klamm-tests")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/klamm-tests")))
        .ok_or_else(|| "no place for Kafka's jars".into())
}

fn unpack(jar: &Path, folder: &Path) -> Result<BTreeMap<i16, Value>, Failure> {
    let program = env::var_os("JAVA_HOME")
        .map(|home| PathBuf::from(home).join("bin/jar"))
        .filter(|program| program.exists())
        .unwrap_or_else(|| "jar".into());
    let status = Command::new(program)
        .current_dir(folder)
        .arg("xf")
        .arg(jar)
        .arg("common/message")
        .status()
        .map_err(|error| format!("could not run jar: {error}; it comes with a JDK"))?;
    if !status.success() {
        return Err(format!("could not unpack {}: {status}", jar.display()).into());
    }
    let mut schemas = BTreeMap::new();
    for entry in fs::read_dir(folder.join("common/message"))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let schema: Value =
                serde_json::from_str(&without_comments(&fs::read_to_string(path)?))?;
            if schema["type"] == "response" {
                let key = schema["apiKey"].as_i64().ok_or("a response without key")?;
                schemas.insert(i16::try_from(key)?, schema);
            }
        }
    }
    Ok(schemas)
}

/// JSON has no comments, Kafka's schemas have: from `//` outside a string to the end of the line.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let (mut in_string, mut end, mut previous) = (false, line.len(), ' ');
        for (at, character) in line.char_indices() {
            match character {
                '"' if previous != '\\' => in_string = !in_string,
                '/' if previous == '/' && !in_string => {
                    end = at - 1;
                    break;
                }
                _ => {}
            }
            previous = character;
        }
        kept.push_str(&line[..end]);
        kept.push('\n');
    }
    kept
}

/// An element of an array in one version, or the whole message.
#[derive(Clone, Debug, PartialEq)]
struct Shape {
    name: String,
    bytes_min: usize,
    memory: usize,
    fields: Vec<Field>,
}

/// The variants of the codec's `Field`.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Fixed(usize),
    String(String),
    Bytes(String),
    FixedArray(String, usize),
    StringArray(String),
    StructArray(String, Shape),
    NullableStruct(String, Vec<Field>),
    Tags(Vec<(u64, Vec<Field>)>),
}

/// A response schema, read for one version.
struct Reading<'a> {
    schema: &'a Value,
    version: i16,
    flexible: bool,
}

impl<'a> Reading<'a> {
    fn new(schema: &'a Value, version: i16) -> Result<Self, Failure> {
        Ok(Self {
            schema,
            version,
            flexible: contains(&schema["flexibleVersions"], version)?,
        })
    }

    fn message(&self) -> Result<Shape, Failure> {
        self.shape(text(self.schema, "name")?, &self.schema["fields"])
    }

    fn shape(&self, name: &str, fields: &'a Value) -> Result<Shape, Failure> {
        let mut walked = Vec::new();
        self.push_struct(&mut walked, fields)?;
        Ok(Shape {
            name: name.to_owned(),
            bytes_min: walked.iter().map(|field| self.bytes_min(field)).sum(),
            memory: self.memory(fields)?,
            fields: walked,
        })
    }

    fn push_struct(&self, into: &mut Vec<Field>, fields: &'a Value) -> Result<(), Failure> {
        let mut tags = Vec::new();
        for field in list(fields)? {
            if !contains(&field["versions"], self.version)? {
            } else if contains(&field["taggedVersions"], self.version)? {
                let tag = field["tag"].as_u64().ok_or("a tagged field without tag")?;
                let mut value = Vec::new();
                self.push_field(&mut value, field)?;
                tags.push((tag, value));
            } else {
                self.push_field(into, field)?;
            }
        }
        if self.flexible {
            tags.sort_by_key(|(tag, _)| *tag);
            into.push(Field::Tags(tags));
        }
        Ok(())
    }

    /// Fields of fixed size in a row become one, and the fields of a struct in place become its parent's.
    fn push_field(&self, into: &mut Vec<Field>, field: &'a Value) -> Result<(), Failure> {
        let (name, kind) = (text(field, "name")?.to_owned(), text(field, "type")?);
        if let Some(bytes) = fixed_bytes(kind) {
            match into.last_mut() {
                Some(Field::Fixed(before)) => *before += bytes,
                _ => into.push(Field::Fixed(bytes)),
            }
            return Ok(());
        }
        into.push(match kind {
            "string" => Field::String(name),
            "bytes" | "records" => Field::Bytes(name),
            "[]string" => Field::StringArray(name),
            _ => match kind.strip_prefix("[]") {
                Some(element) => match fixed_bytes(element) {
                    Some(bytes) => Field::FixedArray(name, bytes),
                    None => {
                        let shape = self.shape(element, self.fields_of(field, element)?)?;
                        if shape.bytes_min == 0 {
                            return Err(format!("elements of {name} may take no bytes").into());
                        }
                        Field::StructArray(name, shape)
                    }
                },
                None if contains(&field["nullableVersions"], self.version)? => {
                    let mut fields = Vec::new();
                    self.push_struct(&mut fields, self.fields_of(field, kind)?)?;
                    Field::NullableStruct(name, fields)
                }
                None => return self.push_struct(into, self.fields_of(field, kind)?),
            },
        });
        Ok(())
    }

    /// The fields of a struct are where it is used, or among the common structs.
    fn fields_of(&self, field: &'a Value, kind: &str) -> Result<&'a Value, Failure> {
        let here = field.get("fields");
        let common = || {
            let structs = self.schema["commonStructs"].as_array()?;
            structs
                .iter()
                .find(|common| common["name"] == kind)?
                .get("fields")
        };
        here.or_else(common)
            .ok_or_else(|| format!("no struct {kind}").into())
    }

    /// The fewest bytes that a field takes on the wire.
    fn bytes_min(&self, field: &Field) -> usize {
        match field {
            Field::Fixed(bytes) => *bytes,
            Field::NullableStruct(..) | Field::Tags(_) => 1,
            _ if self.flexible => 1,
            Field::String(_) => 2,
            _ => 4,
        }
    }

    /// The bytes of the message crate's struct, at most: it has the fields of all versions, in the order that packs best.
    fn memory(&self, fields: &'a Value) -> Result<usize, Failure> {
        let mut memory = TAGS_MEMORY;
        for field in list(fields)? {
            let kind = text(field, "type")?;
            memory += match fixed_bytes(kind) {
                Some(bytes) => bytes,
                None if kind.starts_with("[]") => size_of::<Vec<u8>>(),
                // `Bytes`, also where it is a string; null is the absence of its table of functions.
                None if ["string", "bytes", "records"].contains(&kind) => 4 * size_of::<usize>(),
                // In place, with a word in case it may be null.
                None => self.memory(self.fields_of(field, kind)?)? + 8,
            };
        }
        Ok(memory.next_multiple_of(8))
    }
}

fn list(value: &Value) -> Result<&Vec<Value>, Failure> {
    value
        .as_array()
        .ok_or_else(|| "a struct without fields".into())
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Failure> {
    value[name]
        .as_str()
        .ok_or_else(|| format!("a field without {name}: {value}").into())
}

fn fixed_bytes(kind: &str) -> Option<usize> {
    match kind {
        "bool" | "int8" => Some(1),
        "int16" | "uint16" => Some(2),
        "int32" | "uint32" => Some(4),
        "int64" | "float64" => Some(8),
        "uuid" => Some(16),
        _ => None,
    }
}

/// Whether `versions` (`3+`, `3-5`, `3`, `none` or absent) hold `version`.
fn contains(versions: &Value, version: i16) -> Result<bool, Failure> {
    let Some(versions) = versions.as_str().filter(|versions| *versions != "none") else {
        return Ok(false);
    };
    if let Some(min) = versions.strip_suffix('+') {
        return Ok(version >= min.parse()?);
    }
    let (min, max) = versions.split_once('-').unwrap_or((versions, versions));
    Ok((min.parse()?..=max.parse()?).contains(&version))
}

/// The text of the file.
fn tables(schemas: &BTreeMap<i16, Value>) -> Result<String, Failure> {
    let mut responses = String::new();
    let mut shapes = Shapes::default();
    for api in ApiKey::ALL {
        let schema = schemas
            .get(&api.0)
            .ok_or_else(|| format!("no schema of {api}"))?;
        let versions = api.versions().ok_or("an API without versions")?;
        for (versions, flexible, message) in alike(schema, versions)? {
            let (min, max) = (versions.min, versions.max);
            let body = shapes.write(&api.to_string(), min, &message);
            writeln!(
                responses,
                "    Response {{ api: {}, min: {min}, max: {max}, flexible: {flexible}, body: &{body} }},",
                api.0
            )?;
        }
    }
    let text = shapes.text;
    Ok(format!(
        "//! What the walk must know of each response. Made, not written: see below.\n\
         //!\n\
         //! Source: the message schemas in the jar of Kafka {KAFKA}'s clients, through\n\
         //! `cargo run -p klamm-tests --bin guard_tables`. A test beside that program fails when this file is not current.\n\
         //! The number in a name is the first version in which the struct looks so.\n\n\
         use super::walk::Field::{{Bytes, Fixed, FixedArray, NullableStruct, String, StringArray, StructArray, Tags}};\n\
         use super::walk::{{Response, Shape}};\n\n\
         /// By API and version.\n\
         pub(super) static RESPONSES: &[Response] = &[\n{responses}];\n\n{text}"
    ))
}

/// The versions, those together whose messages look alike.
fn alike(
    schema: &Value,
    versions: VersionRange,
) -> Result<Vec<(VersionRange, bool, Shape)>, Failure> {
    let mut groups: Vec<(VersionRange, bool, Shape)> = Vec::new();
    for version in versions.min..=versions.max {
        let reading = Reading::new(schema, version)?;
        let message = reading.message()?;
        match groups.last_mut() {
            Some((range, flexible, alike))
                if *flexible == reading.flexible && *alike == message =>
            {
                range.max = version;
            }
            _ => {
                let range = VersionRange {
                    min: version,
                    max: version,
                };
                groups.push((range, reading.flexible, message));
            }
        }
    }
    Ok(groups)
}

/// The statics written so far.
#[derive(Default)]
struct Shapes {
    text: String,
    /// By what follows the name in their definition.
    names: BTreeMap<(String, String), String>,
}

impl Shapes {
    /// Writes the statics of `shape` that are not there yet, and returns its name.
    fn write(&mut self, api: &str, version: i16, shape: &Shape) -> String {
        let fields = self.fields(api, version, &shape.fields);
        let definition = format!(
            "Shape {{ name: {:?}, bytes_min: {}, memory: {}, fields: {fields} }};",
            shape.name, shape.bytes_min, shape.memory
        );
        let key = (api.to_owned(), definition);
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let of_api = if shape.name.starts_with(api) { "" } else { api };
        let name = format!(
            "{}_{version}",
            screaming(&format!("{of_api}{}", shape.name))
        );
        self.text
            .extend(["static ", &name, ": Shape = ", &key.1, "\n"]);
        self.names.insert(key, name.clone());
        name
    }

    fn fields(&mut self, api: &str, version: i16, fields: &[Field]) -> String {
        let list: Vec<String> = fields
            .iter()
            .map(|field| match field {
                Field::Fixed(bytes) => format!("Fixed({bytes})"),
                Field::String(name) => format!("String({name:?})"),
                Field::Bytes(name) => format!("Bytes({name:?})"),
                Field::FixedArray(name, bytes) => format!("FixedArray({name:?}, {bytes})"),
                Field::StringArray(name) => format!("StringArray({name:?})"),
                Field::StructArray(name, shape) => {
                    format!(
                        "StructArray({name:?}, &{})",
                        self.write(api, version, shape)
                    )
                }
                Field::NullableStruct(name, fields) => {
                    format!(
                        "NullableStruct({name:?}, {})",
                        self.fields(api, version, fields)
                    )
                }
                Field::Tags(tags) => {
                    let tags: Vec<String> = tags
                        .iter()
                        .map(|(tag, fields)| {
                            format!("({tag}, {})", self.fields(api, version, fields))
                        })
                        .collect();
                    format!("Tags(&[{}])", tags.join(", "))
                }
            })
            .collect();
        format!("&[{}]", list.join(", "))
    }
}

fn screaming(name: &str) -> String {
    let mut words = String::new();
    for (at, character) in name.char_indices() {
        if at > 0 && character.is_uppercase() {
            words.push('_');
        }
        words.push(character.to_ascii_uppercase());
    }
    words
}

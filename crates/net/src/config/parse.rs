//! From names and texts to a [`PropertySet`].
//!
//! Three steps: names are looked up and librdkafka's translated; each value is read and held against what klamm
//! implements; then the rules about which properties go together. Rules about numbers are in `checks`, because
//! builders set numbers too.

use std::collections::BTreeMap;

use zeroize::{Zeroize, Zeroizing};

use super::alias::{self, Target};
use super::error::{ConfigError, Findings, Problem};
use super::kind::Value;
use super::secret::{is_secret, shown};
use super::set::PropertySet;
use super::table::{self, Property, Status};
use super::{Role, checks};

/// A property the user set, by whatever name.
struct Entry {
    row: &'static Property,
    written_name: String,
    written_value: String,
    value: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.written_value.zeroize();
        self.value.zeroize();
    }
}

type Entries = BTreeMap<&'static str, Entry>;

pub(super) fn parse(
    role: Role,
    given: BTreeMap<String, String>,
) -> Result<PropertySet, ConfigError> {
    let mut findings = Findings::new();
    let entries = look_up(given, &mut findings);
    let mut values = BTreeMap::new();
    for entry in entries.values() {
        if let Some(value) = read(role, entry, &mut findings) {
            values.insert(entry.row.name, value);
        }
    }
    let mut set = PropertySet {
        role,
        values,
        warnings: Vec::new(),
    };
    check_endpoints(&set, &mut findings);
    check_group_protocol(&set, &mut findings);
    check_transactions(&set, &mut findings);
    check_security(&set, &entries, &mut findings);
    if let Some(level) = set.i64("compression.lz4.level") {
        checks::lz4_level(level, &mut findings);
    }
    set.warnings = findings.finish()?;
    Ok(set)
}

fn look_up(given: BTreeMap<String, String>, findings: &mut Findings) -> Entries {
    let mut entries = Entries::new();
    let mut aliases = Vec::new();
    for (name, value) in given {
        if let Some(row) = table::find(&name) {
            entries.insert(
                row.name,
                Entry {
                    row,
                    written_name: name,
                    written_value: value.clone(),
                    value,
                },
            );
        } else if let Some(target) = alias::find(&name) {
            aliases.push((name, value, target));
        } else {
            findings.problem(Problem::unknown(&name));
        }
    }
    // `given` is sorted by name, so `compression.codec` is there before `compression.level` asks for the codec.
    for (name, value, target) in aliases {
        translate(
            &name,
            &Zeroizing::new(value),
            target,
            &mut entries,
            findings,
        );
    }
    entries
}

fn translate(
    name: &str,
    value: &str,
    target: &Target,
    entries: &mut Entries,
    findings: &mut Findings,
) {
    let (property, translated) = match target {
        Target::Nothing(reason) => {
            findings.warn(format!(
                "{} is librdkafka's and means nothing to klamm: {reason}",
                shown(name)
            ));
            return;
        }
        Target::Property(property, convert) => (*property, convert(value)),
        Target::LevelOfCodec => {
            match level_property(entries) {
                // librdkafka's -1 is the default of any codec.
                Some(property) if value != "-1" => (property, value.to_owned()),
                _ => {
                    findings.warn(format!("{name} is librdkafka's: it keeps the codec's default level, or none is chosen"));
                    return;
                }
            }
        }
    };
    if entries.contains_key(property) {
        findings.warn(format!(
            "{name} is librdkafka's name of {property}, which is set too and counts"
        ));
        return;
    }
    let Some(row) = table::find(property) else {
        return;
    };
    if translated == value || is_secret(property) {
        findings.warn(format!("{name} is librdkafka's name, read as {property}"));
    } else {
        findings.warn(format!(
            "{name} is librdkafka's name, read as {property} = {}",
            shown(&translated)
        ));
    }
    let entry = Entry {
        row,
        written_name: name.to_owned(),
        written_value: value.to_owned(),
        value: translated,
    };
    entries.insert(row.name, entry);
}

fn level_property(entries: &Entries) -> Option<&'static str> {
    match entries.get("compression.type")?.value.as_str() {
        "gzip" => Some("compression.gzip.level"),
        "lz4" => Some("compression.lz4.level"),
        "zstd" => Some("compression.zstd.level"),
        _ => None,
    }
}

/// The value of one entry, if the role reads it. A value that is only not implemented yet is returned too, so that
/// the rules across properties are checked in the same run.
fn read(role: Role, entry: &Entry, findings: &mut Findings) -> Option<Value> {
    let Entry {
        row,
        written_name,
        written_value,
        value,
    } = entry;
    if !row.roles.contains(role) {
        // As in Java, not even checked: people share one file.
        let (readers, role) = (row.roles.names(), role.name());
        findings.warn(format!(
            "{written_name} is a property of {readers}, the {role} does not use it"
        ));
        return None;
    }
    let Some((read, synonym)) = row.read(value) else {
        let mut allowed = row.kind.to_string();
        add_hint(&mut allowed, row.hint);
        findings.problem(Problem::not_allowed(written_name, written_value, allowed));
        return None;
    };
    if let Some((foreign, own)) = synonym {
        findings.warn(format!(
            "{foreign} is librdkafka's value of {}, read as {own}",
            row.name
        ));
    }
    if let Status::Ignored(reason) = row.status {
        findings.warn(format!("{written_name} is ignored: {reason}"));
        return None;
    }
    if !row.accepts_value(&read) {
        findings.problem(Problem::not_implemented(
            written_name,
            written_value,
            accepted(row),
        ));
    }
    Some(read)
}

fn accepted(row: &Property) -> String {
    let mut text = match row.accepted {
        [] => "leave it out".to_owned(),
        [""] => "leave it out or empty".to_owned(),
        values => format!("accepted: {}", values.join(" or ")),
    };
    add_hint(&mut text, row.hint);
    text
}

fn add_hint(text: &mut String, hint: &str) {
    if !hint.is_empty() {
        text.push_str("; ");
        text.push_str(hint);
    }
}

fn check_endpoints(set: &PropertySet, findings: &mut Findings) {
    if let Some(controllers) = set.list("bootstrap.controllers")
        && set.is_set("bootstrap.servers")
    {
        let rule = "leave out bootstrap.servers, or this: an admin is connected either to brokers or to controllers";
        let controllers = controllers.join(",");
        findings.problem(Problem::conflict(
            "bootstrap.controllers",
            &controllers,
            rule,
        ));
    }
}

fn check_group_protocol(set: &PropertySet, findings: &mut Findings) {
    let by_broker = set.str("group.protocol") == Some("consumer");
    if by_broker {
        for name in [
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "partition.assignment.strategy",
        ] {
            if set.is_set(name) {
                let rule = format!(
                    "leave out {name}, with the consumer protocol it is the broker's to set"
                );
                findings.problem(Problem::conflict("group.protocol", "consumer", rule));
            }
        }
    } else if let Some(assignor) = set.str("group.remote.assignor") {
        let rule = "needs group.protocol = consumer, in the classic protocol members assign";
        findings.problem(Problem::conflict("group.remote.assignor", assignor, rule));
    }
}

fn check_transactions(set: &PropertySet, findings: &mut Findings) {
    if set.bool("transaction.two.phase.commit.enable") == Some(true)
        && set.is_set("transaction.timeout.ms")
    {
        let rule = "leave out transaction.timeout.ms, a prepared transaction has none";
        findings.problem(Problem::conflict(
            "transaction.two.phase.commit.enable",
            "true",
            rule,
        ));
    }
}

fn check_security(set: &PropertySet, entries: &Entries, findings: &mut Findings) {
    let protocol = set.str("security.protocol").unwrap_or("PLAINTEXT");
    let unused = [
        ("sasl.", !protocol.starts_with("SASL_")),
        ("ssl.", !protocol.ends_with("SSL")),
    ];
    for (prefix, is_unused) in unused {
        let first = entries.keys().find(|name| name.starts_with(prefix));
        if let (true, Some(name)) = (is_unused, first) {
            findings.warn(format!(
                "{name} has no effect with security.protocol = {protocol}; if the broker then closes connections, \
                 the protocol is the first thing to check"
            ));
        }
    }
    if protocol == "SASL_PLAINTEXT" && set.str("sasl.mechanism") == Some("PLAIN") {
        findings.warn("sasl.mechanism = PLAIN with security.protocol = SASL_PLAINTEXT sends the password in clear");
    }
}

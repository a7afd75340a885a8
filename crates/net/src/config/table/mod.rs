//! Every property of Kafka's clients: who reads it, what it may hold, and how far klamm implements it.
//!
//! One row a property, in the order of Kafka's documentation. To implement one, turn its `not_yet` into `supported`
//! and shorten or drop its `accepts`.

mod connection;
mod consumer;
mod producer;
mod security;

use super::Role;
use super::kind::{Kind, Value, entries};

/// A row of the table.
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) roles: Roles,
    pub(super) kind: Kind,
    pub(super) status: Status,
    /// The only values that klamm accepts. Empty: all of its kind if supported, none if not yet.
    pub(super) accepted: &'static [&'static str],
    /// Other spellings of values, each with klamm's.
    pub(super) synonyms: &'static [(&'static str, &'static str)],
    /// What to do instead, for messages about a value that is not implemented.
    pub(super) hint: &'static str,
}

/// How far klamm implements a property.
#[derive(Clone, Copy)]
pub(super) enum Status {
    Supported,
    /// Checked, then dropped with a warning that gives this reason.
    Ignored(&'static str),
    /// An error, except for the values that say what klamm does anyway.
    NotYet,
}

/// The roles that read a property.
#[derive(Clone, Copy)]
pub(super) struct Roles(u8);

impl Roles {
    pub(super) fn contains(self, role: Role) -> bool {
        self.0 & Roles::of(role).0 != 0
    }

    const fn of(role: Role) -> Roles {
        Roles(1 << role as u8)
    }

    const fn and(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }

    /// `producer` or `consumer and admin`.
    pub(super) fn names(self) -> String {
        let roles = [Role::Client, Role::Producer, Role::Consumer, Role::Admin];
        let names: Vec<_> = roles
            .into_iter()
            .filter(|role| self.contains(*role))
            .map(Role::name)
            .collect();
        names.join(" and ")
    }
}

impl Property {
    /// Reads a value and translates synonyms; `None` if the property cannot have it. The second of the pair is the
    /// librdkafka word that was translated, if any: Java's class names are Kafka's own and need no warning.
    pub(super) fn read(&self, text: &str) -> Option<(Value, Option<(&'static str, &'static str)>)> {
        let mut foreign = None;
        let mut translate = |entry: &str| {
            let synonym = self.synonyms.iter().find(|(synonym, _)| *synonym == entry);
            foreign = foreign.or(synonym
                .copied()
                .filter(|(synonym, _)| !synonym.contains('.')));
            synonym.map_or(entry, |(_, own)| own).to_owned()
        };
        let text = text.trim();
        let translated = if self.synonyms.is_empty() {
            text.to_owned()
        } else if self.kind.is_list() {
            entries(text)?
                .iter()
                .map(|entry| translate(entry))
                .collect::<Vec<_>>()
                .join(",")
        } else {
            translate(text)
        };
        Some((self.kind.read(&translated)?, foreign))
    }

    /// Whether klamm does what this value asks for.
    pub(super) fn accepts_value(&self, value: &Value) -> bool {
        if self.accepted.is_empty() {
            return !matches!(self.status, Status::NotYet);
        }
        let is_accepted = |value: &Value| {
            self.accepted
                .iter()
                .any(|text| self.kind.read(text).as_ref() == Some(value))
        };
        match value {
            // Each entry for itself, or the whole list as it stands in the table.
            Value::List(entries) if !entries.is_empty() && !is_accepted(value) => entries
                .iter()
                .all(|entry| is_accepted(&Value::List(vec![entry.clone()]))),
            value => is_accepted(value),
        }
    }

    const fn accepts(mut self, accepted: &'static [&'static str]) -> Property {
        self.accepted = accepted;
        self
    }

    const fn synonyms(mut self, synonyms: &'static [(&'static str, &'static str)]) -> Property {
        self.synonyms = synonyms;
        self
    }

    const fn hint(mut self, hint: &'static str) -> Property {
        self.hint = hint;
        self
    }
}

/// The row of a property, by its exact name.
pub(super) fn find(name: &str) -> Option<&'static Property> {
    all().find(|row| row.name == name)
}

/// All rows.
pub(super) fn all() -> impl Iterator<Item = &'static Property> {
    [
        connection::ROWS,
        producer::ROWS,
        consumer::ROWS,
        security::ROWS,
    ]
    .into_iter()
    .flatten()
}

const fn supported(name: &'static str, roles: Roles, kind: Kind) -> Property {
    row(name, roles, kind, Status::Supported)
}

const fn not_yet(name: &'static str, roles: Roles, kind: Kind) -> Property {
    row(name, roles, kind, Status::NotYet)
}

const fn ignored(name: &'static str, roles: Roles, kind: Kind, reason: &'static str) -> Property {
    row(name, roles, kind, Status::Ignored(reason))
}

const fn row(name: &'static str, roles: Roles, kind: Kind, status: Status) -> Property {
    Property {
        name,
        roles,
        kind,
        status,
        accepted: &[],
        synonyms: &[],
        hint: "",
    }
}

const fn int_from(min: i64) -> Kind {
    Kind::Int {
        min,
        max: i32::MAX as i64,
    }
}

const fn long_from(min: i64) -> Kind {
    Kind::Int { min, max: i64::MAX }
}

const fn between(min: i64, max: i64) -> Kind {
    Kind::Int { min, max }
}

const CLIENT: Roles = Roles::of(Role::Client);
const PRODUCER: Roles = Roles::of(Role::Producer);
const CONSUMER: Roles = Roles::of(Role::Consumer);
const ADMIN: Roles = Roles::of(Role::Admin);
const ALL: Roles = CLIENT.and(PRODUCER).and(CONSUMER).and(ADMIN);

/// Java's int and long where they count something.
const INT: Kind = int_from(0);
const LONG: Kind = long_from(0);

const TYPED_RECORDS: &str = "klamm's records hold bytes, (de)serialize in the application";

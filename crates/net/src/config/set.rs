//! A valid set of properties, and how a role's builder reads it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use zeroize::Zeroize;

use super::error::ConfigError;
use super::kind::Value;
use super::secret::{HIDDEN, is_secret};
use super::{Role, parse, properties_file, table};

/// The properties a user set for one role, checked against Kafka's table of properties.
///
/// Holds only what was set and what the role reads: the defaults are those of the role's builder. The getters take
/// Java's property names and give `None` for a property that was not set. To ask for a name that is not a
/// property, or for another type than the property's, is a bug in klamm and panics in debug builds.
#[derive(Clone)]
pub struct PropertySet {
    pub(super) role: Role,
    pub(super) values: BTreeMap<&'static str, Value>,
    pub(super) warnings: Vec<String>,
}

impl PropertySet {
    /// Checks properties for a role. Of several with one name the last counts; blanks around values do not.
    ///
    /// # Errors
    /// Everything wrong with the set at once: unknown names, values out of range, what klamm does not implement
    /// yet, and properties that exclude each other. Checks that need defaults are in [`checks`](super::checks).
    ///
    /// # Examples
    /// ```
    /// use klamm_net::config::{PropertySet, Role};
    ///
    /// let set = PropertySet::parse(Role::Producer, [("acks", "all"), ("linger.ms", "20")])?;
    /// assert_eq!(set.str("acks"), Some("all"));
    /// assert_eq!(set.duration_ms("linger.ms"), Some(std::time::Duration::from_millis(20)));
    ///
    /// let error = PropertySet::parse(Role::Producer, [("lingre.ms", "20")]).unwrap_err();
    /// assert!(error.to_string().contains("did you mean linger.ms?"));
    /// # Ok::<(), klamm_net::config::ConfigError>(())
    /// ```
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        role: Role,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<PropertySet, ConfigError> {
        PropertySet::parse_except(role, &[], properties)
    }

    /// Like [`parse`](PropertySet::parse), passing over names that start with one of these prefixes: they are the
    /// application's own.
    ///
    /// # Errors
    /// As [`parse`](PropertySet::parse).
    pub fn parse_except<K: AsRef<str>, V: AsRef<str>>(
        role: Role,
        own_prefixes: &[&str],
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<PropertySet, ConfigError> {
        let given = properties
            .into_iter()
            .map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().trim().to_owned()))
            .filter(|(name, _)| !own_prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .collect();
        parse::parse(role, given)
    }

    /// Reads the text of a Java properties file, by the rules of `java.util.Properties`: comments from `#` or `!`,
    /// names ended by `=`, `:` or a blank, lines continued by `\`, escapes such as `\t` and `\u00e9`.
    ///
    /// # Errors
    /// Every line with a malformed `\u` escape.
    ///
    /// # Examples
    /// ```
    /// use klamm_net::config::{PropertySet, Role};
    ///
    /// let text = "# our cluster\nbootstrap.servers = a:9092,\\\n    b:9092\n";
    /// let set = PropertySet::parse(Role::Client, PropertySet::read_file_text(text)?)?;
    /// assert_eq!(set.list("bootstrap.servers"), Some(vec!["a:9092".into(), "b:9092".into()]));
    /// # Ok::<(), klamm_net::config::ConfigError>(())
    /// ```
    pub fn read_file_text(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
        properties_file::read(text)
    }

    /// The role the set was checked for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the user should know, though the set is valid: properties of another role, ignored ones, librdkafka's
    /// spellings. Without secrets; meant to be logged once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the user set this property for this role, under any of its names.
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A text; of a choice, as spelled in Kafka's documentation, whatever the user's case.
    pub fn str(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            _ => wrong_type(name),
        }
    }

    /// A text, owned.
    pub fn string(&self, name: &str) -> Option<String> {
        self.str(name).map(str::to_owned)
    }

    /// A boolean.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(value) => Some(*value),
            _ => wrong_type(name),
        }
    }

    /// A whole number.
    pub fn i64(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Int(value) => Some(*value),
            _ => wrong_type(name),
        }
    }

    /// A whole number that Java has as an int.
    pub fn i32(&self, name: &str) -> Option<i32> {
        self.i64(name)?.try_into().ok().or_else(|| wrong_type(name))
    }

    /// A whole number, `None` also for one below zero (`-1` where that stands for "off").
    pub fn u64(&self, name: &str) -> Option<u64> {
        self.i64(name)?.try_into().ok()
    }

    /// A count, or a size in bytes. `None` also below zero; on 32 bits the largest size stands for all above it.
    pub fn usize(&self, name: &str) -> Option<usize> {
        self.u64(name)
            .map(|value| value.try_into().unwrap_or(usize::MAX))
    }

    /// A number with a fraction.
    pub fn f64(&self, name: &str) -> Option<f64> {
        match self.value(name)? {
            Value::Double(value) => Some(*value),
            _ => wrong_type(name),
        }
    }

    /// A time in milliseconds, `None` also below zero. It may be as long as `i64::MAX` milliseconds: add it to a
    /// clock with `checked_add`.
    pub fn duration_ms(&self, name: &str) -> Option<Duration> {
        self.u64(name).map(Duration::from_millis)
    }

    /// A list, trimmed; assignors by their short names.
    pub fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.value(name)? {
            Value::List(entries) => Some(entries.clone()),
            _ => wrong_type(name),
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        debug_assert!(
            table::find(name).is_some(),
            "{name} is no property of the table"
        );
        self.values.get(name)
    }
}

impl Drop for PropertySet {
    fn drop(&mut self) {
        for (name, value) in &mut self.values {
            if let (true, Value::Text(text)) = (is_secret(name), value) {
                text.zeroize();
            }
        }
    }
}

fn wrong_type<T>(name: &str) -> Option<T> {
    debug_assert!(false, "{name} is of another type");
    None
}

impl fmt::Debug for PropertySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in &self.values {
            match value {
                _ if is_secret(name) => map.entry(name, &HIDDEN),
                Value::Text(text) => map.entry(name, text),
                Value::Bool(value) => map.entry(name, value),
                Value::Int(value) => map.entry(name, value),
                Value::Double(value) => map.entry(name, value),
                Value::List(entries) => map.entry(name, entries),
            };
        }
        map.finish()
    }
}

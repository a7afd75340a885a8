//! What became of each thing that a call was about.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::vec;

use crate::error::Error;

/// What became of each thing that a call was about, in the order of the call.
///
/// # Examples
/// ```
/// # fn show(results: klamm_admin::Results<String, ()>) -> Result<(), klamm_admin::Error> {
/// for (topic, result) in results.iter() {
///     match result {
///         Ok(()) => println!("{topic} is deleted"),
///         Err(error) => println!("{topic} stays: {error}"),
///     }
/// }
/// results.all()?; // or: the first failure, if there is one
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "some of it may have failed: look at each result, or call `all`"]
pub struct Results<K, T> {
    order: Vec<K>,
    results: HashMap<K, Result<T, Error>>,
}

impl<K: Eq + Hash, T> Results<K, T> {
    /// `results` has one for each of `order`.
    pub(crate) fn new(order: Vec<K>, results: HashMap<K, Result<T, Error>>) -> Self {
        Self { order, results }
    }

    pub(crate) fn of(results: impl IntoIterator<Item = (K, Result<T, Error>)>) -> Self
    where
        K: Clone,
    {
        let mut all = Self::new(Vec::new(), HashMap::new());
        for (key, result) in results {
            if all.results.insert(key.clone(), result).is_none() {
                all.order.push(key);
            }
        }
        all
    }

    /// What all gave, in the order of the call.
    ///
    /// # Errors
    /// The first failure; others after and before it may have succeeded.
    pub fn all(self) -> Result<Vec<T>, Error> {
        self.into_iter().map(|(_, result)| result).collect()
    }

    /// The results that are no failures, and the failures.
    #[allow(clippy::type_complexity, reason = "two lists of pairs, read at once")]
    pub fn split(self) -> (Vec<(K, T)>, Vec<(K, Error)>) {
        let mut values = Vec::new();
        let mut errors = Vec::new();
        for (key, result) in self {
            match result {
                Ok(value) => values.push((key, value)),
                Err(error) => errors.push((key, error)),
            }
        }
        (values, errors)
    }

    /// What became of `key`, if it was in the call.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&Result<T, Error>>
    where
        K: Borrow<Q>,
    {
        self.results.get(key)
    }

    /// How many things the call was about.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the call was about nothing.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Each with its result.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Result<T, Error>)> {
        self.order.iter().map(|key| (key, &self.results[key]))
    }

    pub(crate) fn map<U>(
        self,
        mut map: impl FnMut(&K, Result<T, Error>) -> Result<U, Error>,
    ) -> Results<K, U>
    where
        K: Clone,
    {
        let results = self.into_iter().map(|(key, result)| {
            let mapped = map(&key, result);
            (key, mapped)
        });
        Results::of(results.collect::<Vec<_>>())
    }

    /// Replaces the results of those that `other` has.
    pub(crate) fn replace_with(&mut self, other: Self) {
        self.results.extend(other.results);
    }
}

impl<K: Eq + Hash, T> IntoIterator for Results<K, T> {
    type Item = (K, Result<T, Error>);
    type IntoIter = vec::IntoIter<(K, Result<T, Error>)>;

    fn into_iter(mut self) -> Self::IntoIter {
        let taken = self.order.into_iter().filter_map(|key| {
            let result = self.results.remove(&key)?;
            Some((key, result))
        });
        taken.collect::<Vec<_>>().into_iter()
    }
}

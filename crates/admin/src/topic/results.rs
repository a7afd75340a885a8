//! What became of each topic of a call.

use std::slice;
use std::vec;

use crate::error::Error;

/// What became of one topic of a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TopicResult<T> {
    /// Topic name.
    pub name: String,
    /// What the call gave for it.
    pub result: Result<T, Error>,
}

/// What became of each topic of a call, in the order of the call.
///
/// # Examples
/// ```
/// # fn show(results: klamm_admin::TopicResults<()>) -> Result<(), klamm_admin::Error> {
/// for topic in &results {
///     match &topic.result {
///         Ok(()) => println!("{} is deleted", topic.name),
///         Err(error) => println!("{} stays: {error}", topic.name),
///     }
/// }
/// results.all()?; // or: the first failure, if there is one
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "some topics may have failed: look at each, or call `all`"]
pub struct TopicResults<T> {
    results: Vec<TopicResult<T>>,
}

impl<T> TopicResults<T> {
    pub(crate) fn new(results: impl Iterator<Item = TopicResult<T>>) -> Self {
        Self {
            results: results.collect(),
        }
    }

    /// What all topics gave, in the order of the call.
    ///
    /// # Errors
    /// The first failure; topics after and before it may have succeeded.
    pub fn all(self) -> Result<Vec<T>, Error> {
        self.results.into_iter().map(|topic| topic.result).collect()
    }

    /// What became of the topic `name`, if it was in the call.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Result<T, Error>> {
        let found = self.results.iter().find(|topic| topic.name == name)?;
        Some(&found.result)
    }

    /// The results one by one.
    pub fn iter(&self) -> slice::Iter<'_, TopicResult<T>> {
        self.results.iter()
    }
}

impl<T> IntoIterator for TopicResults<T> {
    type Item = TopicResult<T>;
    type IntoIter = vec::IntoIter<TopicResult<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.results.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a TopicResults<T> {
    type Item = &'a TopicResult<T>;
    type IntoIter = slice::Iter<'a, TopicResult<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

//! What all brokers have said together.

use klamm_net::NodeId;

use crate::admin::Admin;
use crate::driver::{Call, drive};
use crate::error::Error;

/// What all brokers have said together, and which of them have said nothing.
#[derive(Clone, Debug)]
#[must_use = "some brokers may have failed: look at `failures`, or call `all`"]
#[non_exhaustive]
pub struct Gathered<T> {
    /// What those brokers have that answered.
    pub found: Vec<T>,
    /// The brokers that did not; what they have is missing.
    pub failures: Vec<(NodeId, Error)>,
}

impl<T> Gathered<T> {
    /// What all brokers have.
    ///
    /// # Errors
    /// The first failure, if one broker did not answer.
    pub fn all(self) -> Result<Vec<T>, Error> {
        match self.failures.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(self.found),
        }
    }
}

/// Asks every broker of the cluster.
pub(crate) async fn gather<C, T>(admin: &Admin, call: C) -> Result<Gathered<T>, Error>
where
    C: Call<Key = NodeId, Value = Vec<T>>,
{
    // A broker that joined meanwhile has what another one had before.
    let snapshot = admin.cluster.refresh(admin.deadline()).await?;
    let brokers = snapshot.brokers.iter().map(|broker| broker.node);
    let (found, failures) = drive(admin, call, brokers).await?.split();
    let found = found.into_iter().flat_map(|(_, found)| found).collect();
    Ok(Gathered { found, failures })
}

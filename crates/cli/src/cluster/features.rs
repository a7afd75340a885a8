//! `klamm cluster features`.

use std::collections::BTreeSet;

use klamm::Admin;

use crate::failure::Failure;
use crate::output::{Output, row};

pub(super) async fn run(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let features = admin.describe_features().await?;
    let names = features.finalized.keys().chain(features.supported.keys());
    let rows = names.collect::<BTreeSet<_>>().into_iter().map(|name| {
        let supported = features.supported.get(name);
        row!(
            feature: name.as_str(),
            finalized: features.finalized.get(name).map(|versions| versions.max),
            supported_min: supported.map(|versions| versions.min),
            supported_max: supported.map(|versions| versions.max),
        )
    });
    out.rows(rows.collect(), "the brokers tell of no features")
}

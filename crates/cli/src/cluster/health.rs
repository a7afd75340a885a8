//! `klamm cluster health`.

use klamm::Admin;

use crate::failure::Failure;
use crate::output::{Output, object, row};

pub(super) async fn run(admin: &Admin, out: &Output) -> Result<(), Failure> {
    let health = admin.health().await?;
    let brokers = health.brokers.len();
    if out.is_json() {
        out.document(&object(row!(
            healthy: health.is_healthy(),
            brokers: brokers,
            problems: health.problems.clone(),
        )))?;
    }
    for problem in &health.problems {
        out.line(problem)?;
    }
    match health.problems.len() {
        0 => out.line(&format!(
            "all is well: {brokers} brokers answer, all replicas are in sync"
        )),
        1 => Err(Failure::Failed("1 problem".to_owned())),
        count => Err(Failure::Failed(format!("{count} problems"))),
    }
}

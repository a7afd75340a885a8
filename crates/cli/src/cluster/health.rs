//! `klamm cluster health`.

use klamm::Admin;

use crate::failure::Failure;
use crate::output::{Output, counted, object, row};

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
            "all is well: {} in touch, all replicas in sync",
            counted(brokers as u64, "broker")
        )),
        count => Err(Failure::Failed(counted(count as u64, "problem"))),
    }
}

//! Runs a test broker for clients outside of this process:
//! `cargo run -p klamm-testbroker --example serve [port]`.

use klamm_testbroker::TestBroker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args()
        .nth(1)
        .map_or(Ok(9092), |port| port.parse())?;
    let broker = TestBroker::builder().port(port).start().await?;
    println!("listening on {}", broker.bootstrap());
    // Serves until the process is ended.
    std::future::pending::<()>().await;
    Ok(())
}

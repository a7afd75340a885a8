//! Ctrl-C, and what ends a program otherwise (SIGTERM).

use std::sync::Once;

use tokio::sync::SetOnce;

use crate::failure::{INTERRUPTED, note};

/// Waits until the program was asked to end, by Ctrl-C or SIGTERM. Ending cleanly can take its time where brokers do
/// not answer: a second one ends the program where it stands.
pub(crate) async fn interrupted() {
    static ASKED: SetOnce<()> = SetOnce::const_new();
    // From the first that wait on, so that nothing is lost while none does; before, the system ends the program.
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        tokio::spawn(async {
            signal().await;
            let _ = ASKED.set(());
            signal().await;
            note("interrupted again: what was under way may have been done, or not");
            std::process::exit(i32::from(INTERRUPTED));
        });
    });
    ASKED.wait().await;
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return ctrl_c().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        () = ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    ctrl_c().await;
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Nothing tells of it then: the system's own way to end a program is left.
        std::future::pending::<()>().await;
    }
}

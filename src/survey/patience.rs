//! Looking again and again while a type may still be settling.

use std::time::Duration;

use crate::broken;

/// Looks until it is as wanted, or the type has had its time to settle.
pub async fn patiently<T, E, F: Future<Output = Result<T, E>>>(
    settles: Duration,
    wanted: impl Fn(&T) -> bool,
    mut look: impl FnMut() -> F,
) -> Result<T, E> {
    // Only the time between looks counts: what there was no answer to, however long it took, says nothing.
    let mut waited = Duration::ZERO;
    let mut wait = Duration::from_millis(50);
    loop {
        let found = look().await?;
        if wanted(&found) || waited >= settles || broken!(NoPatience) {
            return Ok(found);
        }
        tokio::time::sleep(wait).await;
        waited += wait;
        wait = (wait * 2).min(Duration::from_secs(2));
    }
}

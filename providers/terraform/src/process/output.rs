//! What a provider writes: its log goes to ours, and the last lines are kept for errors.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use retrue_provider_api::secrets;
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// So many lines are kept.
const KEPT_LINES: usize = 200;
/// So many of them stand in an error.
const SHOWN_LINES: usize = 8;
/// A longer line is cut.
const MOST_BYTES: u64 = 16 * 1024;

/// The last lines that a provider wrote.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: Mutex<VecDeque<String>>,
}

impl Tail {
    pub(super) fn push(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        // What is left of a secret that is cut through would not be known for one.
        lines.push_back(secrets::masked(line).chars().take(400).collect());
    }

    /// What matters of them: a panic from its beginning, otherwise the last ones. One line.
    pub(super) fn said(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let panic = lines.iter().rposition(|line| line.starts_with("panic:") || line.starts_with("fatal error:"));
        let start = panic.unwrap_or_else(|| lines.len().saturating_sub(SHOWN_LINES));
        let shown: Vec<&str> = lines
            .iter()
            .skip(start)
            .take(SHOWN_LINES)
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .collect();
        shown.join(" | ")
    }
}

/// Puts together lines that come in pieces, which may end anywhere.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<u8>);

impl Pieces {
    /// The lines that are whole with this piece. What is too long for a line is told as it is.
    pub(super) fn lines(&mut self, piece: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(piece);
        let too_long = u64::try_from(self.0.len()).is_ok_and(|length| length > MOST_BYTES);
        let end = match self.0.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if too_long => self.0.len(),
            None => return Vec::new(),
        };
        let whole: Vec<u8> = self.0.drain(..end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }

    /// What came last, and was never ended.
    pub(super) fn rest(self) -> Option<String> {
        (!self.0.is_empty()).then(|| String::from_utf8_lossy(&self.0).into_owned())
    }
}

/// A line of the log of a plugin that is written in Go.
#[derive(Deserialize)]
struct LogLine {
    #[serde(rename = "@level", default)]
    level: String,
    #[serde(rename = "@message", default)]
    message: String,
    #[serde(rename = "@module", default)]
    module: String,
}

/// Reads one line, without its end. `None` when there are no more. What is too long is cut.
pub(super) async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let read = (&mut *reader).take(MOST_BYTES).read_until(b'\n', &mut bytes).await.ok()?;
    if read == 0 {
        return None;
    }
    Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned())
}

/// Reads a provider's standard error to its end.
pub(super) async fn follow(name: String, mut reader: impl AsyncBufRead + Unpin, tail: Arc<Tail>) {
    while let Some(line) = next_line(&mut reader).await {
        match serde_json::from_str::<LogLine>(&line) {
            Ok(log) if !log.message.is_empty() => {
                // The first SDK writes everything at one level, and the real one before the text.
                if matches!(log.level.as_str(), "trace") || log.message.starts_with("[TRACE]") {
                    tracing::trace!(provider = name, module = log.module, "{}", log.message);
                } else {
                    tracing::debug!(provider = name, level = log.level, module = log.module, "{}", log.message);
                }
                if matches!(log.level.as_str(), "error" | "warn") {
                    tail.push(&log.message);
                }
            }
            _ => {
                tracing::debug!(provider = name, "{line}");
                tail.push(&line);
            }
        }
    }
}

/// Reads what a provider writes on standard output after its handshake: nothing that matters, but one that is
/// not read stands still.
pub(super) async fn drain(name: String, mut reader: impl AsyncBufRead + Unpin) {
    while let Some(line) = next_line(&mut reader).await {
        tracing::trace!(provider = name, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_matters_is_kept() {
        let tail = Arc::new(Tail::default());
        let text =
            b"{\"@level\":\"info\",\"@message\":\"hello\"}\n{\"@level\":\"error\",\"@message\":\"bad\"}\nplain\n";
        follow("p".into(), &text[..], Arc::clone(&tail)).await;
        assert_eq!(tail.said(), "bad | plain");
        tail.push("panic: oh");
        (0..50).for_each(|_| tail.push("goroutine 1"));
        assert!(tail.said().starts_with("panic: oh | goroutine 1"));
    }

    #[test]
    fn lines_in_pieces_are_put_together() {
        let mut pieces = Pieces::default();
        assert!(pieces.lines(b"one pla").is_empty());
        assert_eq!(pieces.lines(b"nted\ntwo\nthr"), ["one planted", "two"]);
        assert!(pieces.lines(&[b'x'; 10]).is_empty());
        assert_eq!(pieces.lines(&[b'x'; 20_000]).len(), 1, "nothing is kept without bounds");
        assert!(pieces.lines(b"end").is_empty());
        assert_eq!(pieces.rest(), Some("end".to_owned()));
    }

    #[test]
    fn secrets_are_hidden_before_lines_are_cut() {
        drop(retrue_provider_api::Value::from("planted-in-a-line").sensitive());
        let tail = Tail::default();
        tail.push(&format!("{}planted-in-a-line", "x".repeat(395)));
        assert!(!tail.said().contains("plan"), "{}", tail.said());
    }

    #[tokio::test]
    async fn long_lines_are_cut() {
        let text = vec![b'x'; 100_000];
        let mut reader = &text[..];
        let line = next_line(&mut reader).await.unwrap();
        assert_eq!(line.len(), 16 * 1024);
    }
}

use super::super::meters::Meters;
use super::super::metric;
use super::*;

fn labels(stack: &str) -> Labels {
    Labels { environment: "default".into(), stack: stack.into() }
}

fn counted() -> String {
    let meters = Meters::default();
    meters.add(&metric::RUNS, &[("kind", "apply"), ("state", "succeeded")], 1);
    meters.observe(&metric::CALL_DURATION, &[("provider", "p"), ("operation", "read")], 0.3);
    meters.set(&metric::BREAKER_STATE, &[("provider", "p"), ("service", "a\"b\\}"), ("kind", "read")], 2.0);
    meters.set(&metric::DEAD_LETTERS, &[], 3.0);
    meters.take()
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn what_is_counted_goes_on_and_what_is_now_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("retrue.prom");
    for _ in 0..3 {
        update(&path, &labels("try"), &counted()).unwrap();
    }
    let text = fs_err::read_to_string(&path).unwrap();
    insta::assert_snapshot!(text);
    let ours = "environment=\"default\",stack=\"try\"";
    assert_eq!(value(&text, &format!("retrue_runs_total{{{ours},kind=\"apply\",state=\"succeeded\"}}")), Some(3.0));
    assert_eq!(value(&text, &format!("retrue_dead_letters{{{ours}}}")), Some(3.0));
    // The next run knew nothing of the breaker, nor of dead letters.
    let meters = Meters::default();
    update(&path, &labels("try"), &meters.take()).unwrap();
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(!text.contains("retrue_breaker_state"), "{text}");
    assert!(text.contains("retrue_dead_letters"), "{text}");
    let mode = fs_err::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "somebody else collects it");
    let left: Vec<_> = fs_err::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
}

#[test]
fn stacks_share_a_file_without_touching_each_other() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("retrue.prom");
    // One name begins like the other, and one is hard to write.
    let names = ["try", "try2", "a \"b\" \\ c\nd"];
    for name in names.iter().chain(&names) {
        update(&path, &labels(name), &counted()).unwrap();
    }
    let text = fs_err::read_to_string(&path).unwrap();
    for name in names {
        let series = format!("retrue_runs_total{{{},kind=\"apply\",state=\"succeeded\"}}", labels(name).prefix());
        assert_eq!(value(&text, &series), Some(2.0), "{series}\n{text}");
    }
    assert_eq!(text.matches("# TYPE retrue_runs_total counter").count(), 1);
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("retrue.prom");
    let text = counted();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| update(&path, &labels("try"), &text).unwrap()));
        }
    });
    let text = fs_err::read_to_string(&path).unwrap();
    let series = format!("retrue_runs_total{{{},kind=\"apply\",state=\"succeeded\"}}", labels("try").prefix());
    assert_eq!(value(&text, &series), Some(20.0));
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("node.prom");
    for foreign in ["# HELP up Up.\nup 1\n", "\nretrue_runs_total{kind=\"x\" 1\n", "retrue_dead_letters many\n"] {
        fs_err::write(&path, foreign).unwrap();
        let error = update(&path, &labels("try"), &counted()).unwrap_err();
        assert!(matches!(error, FileError::Foreign { .. }), "{error}");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), foreign);
    }
    let error = update(&place.path().join("no/such.prom"), &labels("try"), &counted()).unwrap_err();
    assert!(matches!(error, FileError::Io(_)), "{error}");
}

#[test]
fn bounds_that_changed_begin_anew_and_what_another_version_knew_is_left_out() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("retrue.prom");
    let ours = labels("try").prefix();
    let series = format!("retrue_provider_call_duration_seconds_bucket{{{ours},provider=\"p\",operation=\"read\"");
    fs_err::write(&path, format!("{series},le=\"0.123\"}} 7\n{series},le=\"+Inf\"}} 7\nretrue_of_old 1\n")).unwrap();
    update(&path, &labels("try"), &counted()).unwrap();
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(!text.contains("0.123") && !text.contains("of_old"), "{text}");
    assert_eq!(value(&text, &format!("{series},le=\"+Inf\"}}")), Some(1.0));
}

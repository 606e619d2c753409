//! Whatever is wrong, a person is told what to do: every error has a hint.

use super::*;

/// Texts below `[stack]` that cannot be meant, and a code that each is told at least.
const LOADING: &[(&str, &str)] = &[
    ("[local]\nx = \n", "RT0101"),
    ("[local]\na = [1\n", "RT0101"),
    ("[local]\na = \"${file(\"x\")}\"\n", "RT0101"),
    ("[local]\na = word\n", "RT0101"),
    ("[local]\na = {\n b = 1 }\n", "RT0108"),
    ("[local]\na = 1\na = 2\n", "RT0109"),
    ("[local]\na = 1\n[local]\nb = 1\n", "RT0109"),
    ("[locals]\na = 1\n", "RT0110"),
    ("[zzzzzzzz]\n", "RT0110"),
    ("[module.m]\n", "RT0111"),
    ("[stack.store]\npath = 1\n", "RT0112"),
    ("[variable]\na = 1\n", "RT0112"),
    ("[variable.a]\nsensitive = 'yes'\n", "RT0112"),
    ("[variable.a]\nvalidation = 1\n", "RT0112"),
    ("[variable.a]\nfrom = 1\n", "RT0112"),
    ("[resource.retrue_data.a]\ndepends_on = 'x'\n", "RT0112"),
    ("[output.a]\n", "RT0113"),
    ("[[moved]]\nfrom = 'a_b.c'\n", "RT0113"),
    ("[variable.\"a b\"]\n", "RT0115"),
    ("[local]\na = inf\n", "RT0116"),
    ("[resource.retrue_data.a]\nlifecycle.on_existing = 'perhaps'\n", "RT0117"),
    ("[resource.retrue_data.a]\nlifecycle.timeout = 'soon'\n", "RT0118"),
    ("[resource.retrue_data.a]\ndepends_on = ['nowhere']\n", "RT0119"),
    ("[resource.retrue_data.a]\nlifecycle.ignore_changes = ['[1']\n", "RT0119"),
    ("[variable.a]\nfrom = 'nowhere'\n", "RT0119"),
    ("[resource.retrue_data.a]\ncount = 1\nfor_each = []\n", "RT0122"),
    ("[resource.retrue_data.a]\nlifecycle.prevent_destroy = '${var.x}'\n", "RT0123"),
    ("[output.a]\nvalue = '${var.qqqqqq}'\n", "RT0130"),
    ("[output.a]\nvalue = '${local.qqqqqq}'\n", "RT0131"),
    ("[output.a]\nvalue = '${qqqqqq_zzzzzz.a.b}'\n", "RT0132"),
    ("[resource.retrue_data.a]\ncount = 1\n[output.a]\nvalue = '${retrue_data.a[7].id}'\n", "RT0133"),
    ("[resource.retrue_data.a]\nfor_each = ['x']\n[output.a]\nvalue = '${retrue_data.a[\"qqqqqq\"].id}'\n", "RT0133"),
    ("[output.a]\nvalue = '${each.key}${count.index}${self.id}'\n", "RT0134"),
    ("[resource.retrue_data.a]\nprovider = 'qqqqqq'\n", "RT0135"),
    ("[variable.a]\ndefault = '${local.x}'\n", "RT0137"),
    ("[variable.a]\nvalidation = [{ condition = '${local.x}', message = '' }]\n", "RT0137"),
    ("[[moved]]\nfrom = 'a_b.c'\nto = 'a_b.d'\n", "RT0140"),
    ("[[moved]]\nfrom = 'data.a_b.c'\nto = 'data.a_b.d'\n", "RT0140"),
    ("[[import]]\nto = 'a_b.c'\nid = 'x'\n", "RT0141"),
    ("[[import]]\nto = 'data.a_b.c'\nid = 'x'\n", "RT0141"),
    ("[[import]]\nid = 'x'\n", "RT0113"),
    ("[local]\na = '${1 +}'\n", "RT0201"),
    ("[local]\na = '${a.b.c.d.e}'\n", "RT0132"),
    ("[local]\na = '${var}'\n", "RT0204"),
    ("[variable.a]\ntype = 'strang'\n", "RT0220"),
];

/// The same, for what is found with the types.
const CHECKING: &[(&str, &str)] = &[
    ("[variable.a]\nephemeral = true\n[output.o]\nvalue = '${var.a}'\n", "RT0138"),
    ("[local]\na = '${provider::qqqqqq::f()}'\n", "RT0206"),
    ("[resource.retrue_qqqqqq.a]\n", "RT0150"),
    ("[resource.qqqqqq_thing.a]\n", "RT0150"),
    ("[data.local_link.a]\n", "RT0150"),
    ("[resource.local_file.a]\npath = 'x'\nqqqqqq = 1\n", "RT0151"),
    ("[resource.local_file.a]\n", "RT0152"),
    ("[resource.local_file.a]\npath = '${null}'\n", "RT0152"),
    ("[resource.local_file.a]\npath = ['x']\n", "RT0153"),
    ("[resource.local_file.a]\npath = 'x'\nmode = { a = 1 }\n", "RT0153"),
    ("[resource.retrue_data.a]\nid = 'x'\n", "RT0154"),
    ("[resource.retrue_data.a]\ncount = -1\n", "RT0157"),
    ("[resource.retrue_data.a]\nfor_each = 3\n", "RT0157"),
    ("[resource.retrue_data.a]\nlifecycle.enabled = 'maybe'\n", "RT0158"),
    ("[variable.a]\ntype = 'number'\ndefault = 'x'\n", "RT0162"),
    ("[variable.a]\nnullable = false\ndefault = '${null}'\n", "RT0162"),
    ("[variable.a]\ndefault = 1\nvalidation = [{ condition = '${var.a > 1}', message = 'm' }]\n", "RT0163"),
    ("[local]\na = '${qqqqqq(1)}'\n", "RT0206"),
    ("[local]\na = '${upper(1, 2)}'\n", "RT0207"),
    ("[local]\na = '${file(\"nowhere\")}'\n", "RT0207"),
    ("[local]\na = '${max(1...)}'\n", "RT0208"),
    ("[local]\na = { x = 1 }\nb = '${local.a.y}'\n", "RT0209"),
    ("[local]\na = [1]\nb = '${local.a[3]}'\n", "RT0210"),
    ("[local]\na = '${1 + \"x\"}'\n", "RT0211"),
    ("[local]\na = '${1 / 0}'\n", "RT0212"),
    ("[local]\na = '${\"x\" ? 1 : 2}'\n", "RT0213"),
    ("[local]\na = '${[for x in 1 : x]}'\n", "RT0215"),
    ("[local]\na = '${{for x in [1, 1] : x => 1}}'\n", "RT0216"),
    ("[local]\na = 'x${[1]}'\n", "RT0218"),
    ("[local]\na = '${{(null) = 1}}'\n", "RT0219"),
    ("[local]\na = '${local.b}'\nb = '${local.a}'\n", "RT0301"),
    ("[local]\na = '${local.a}'\n", "RT0301"),
    ("[resource.local_file.a]\npath = ''\n", "RT0413"),
];

/// The same, for what is found while planning.
const PLANNING: &[(&str, &str)] = &[
    ("[variable.a]\n", "RT0160"),
    ("[variable.a]\nfrom = 'command:exit 3'\n", "RT0164"),
    ("[variable.a]\nfrom = 'env:NOT_THERE'\n", "RT0160"),
    ("[variable.a]\ntype = 'number'\nfrom = 'command:echo x'\n", "RT0162"),
    ("[local]\na = '${env.NOT_THERE}'\n[output.a]\nvalue = '${local.a}'\n", "RT0203"),
    ("[resource.retrue_data.a]\n[resource.retrue_data.b]\nfor_each = ['${retrue_data.a.id}']\n", "RT0410"),
    ("[resource.retrue_data.a]\nlifecycle.precondition = [{ condition = '${1 > 2}', message = 'no' }]\n", "RT0412"),
    (
        "[resource.local_file.a]\npath = 'd'\ncontent = 'x'\n[resource.local_file.d]\npath = './d'\ncontent = 'y'\n",
        "RT0408",
    ),
    ("[output.a]\nvalue = '${sensitive(1)}'\n", "RT0424"),
    (
        "[resource.retrue_data.a]\ninput = 'x'\n[provider.testcloud]\nurl = '${retrue_data.a.output}'\n\
         [resource.testcloud_bucket.b]\nname = 'b'\n[[import]]\nto = 'testcloud_bucket.b'\nid = 'b'\n",
        "RT0421",
    ),
];

/// What is wrong with what a text was told, if anything is.
fn unadvised(text: &str, code: &str, failure: Option<Failure>) -> Vec<String> {
    let told = failure.map(|failure| failure.diagnostics).unwrap_or_default();
    let mut wrong = Vec::new();
    if !told.iter().any(|told| told.code == code) {
        let found: Vec<String> = told.iter().map(|told| format!("{} {}", told.code, told.message)).collect();
        wrong.push(format!("{code} was expected of\n{text}and not {found:?}"));
    }
    let without = told.iter().filter(|told| told.hint.is_none());
    wrong.extend(without.map(|told| format!("{} has no hint: {} in\n{text}", told.code, told.message)));
    wrong
}

#[tokio::test]
async fn every_error_has_a_hint() {
    let mut wrong = Vec::new();
    for (text, code) in LOADING.iter().chain(CHECKING) {
        let stage = Stage::new(text);
        wrong.extend(unadvised(text, code, validate(&stage.options()).await.err()));
    }
    for (text, code) in PLANNING {
        let stage = Stage::new(text);
        let planned = plan(&stage.options(), &PlanOptions::default(), false, &Cancellation::default()).await;
        wrong.extend(unadvised(text, code, planned.err()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn so_have_errors_about_options_and_files() {
    let stage = Stage::new("[resource.retrue_data.name]\n");
    let planned = |planning: PlanOptions| {
        let options = stage.options();
        async move { plan(&options, &planning, false, &Cancellation::default()).await.err() }
    };
    let target = |text: &str| PlanOptions { targets: vec![text.into()], ..PlanOptions::default() };
    let replace = PlanOptions { replace: vec!["retrue_data.name".into()], ..PlanOptions::default() };
    let near = planned(target("retrue_data.nmae")).await;
    assert_eq!(near.as_ref().unwrap().diagnostics[0].hint.as_deref(), Some("did you mean `retrue_data.name`?"));
    let mut wrong = Vec::new();
    let mut advised = |what, code, failure| wrong.extend(unadvised(what, code, failure));
    for (what, failure) in [("near", near), ("far", planned(target("a_b.c")).await), ("new", planned(replace).await)] {
        advised(what, "RT0418", failure);
    }
    advised("no plan", "RT0902", open_plan(&stage.options(), Path::new("/nowhere/p")).err());
    advised("no place", "RT0902", write_plan(Path::new("/nowhere/p"), b"").err());
    stage.write("p", "{}");
    advised("no plan", "RT0415", open_plan(&stage.options(), &stage.path().join("p")).err());
    let elsewhere = Options { environment: "../x".into(), ..stage.options() };
    advised("environment", "RT0901", look(&elsewhere, None).err());
    let files = Options { var_files: vec!["/nowhere/v".into()], ..stage.options() };
    advised("file of values", "RT0165", workspace(&files).err());
    let given = Options { vars: vec![("x".into(), "1".into())], ..stage.options() };
    advised("value", "RT0161", workspace(&given).err());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn looks_can_be_cancelled() {
    let stage = Stage::new("[resource.retrue_data.a]\n");
    let options = stage.options();
    let cancellation = Cancellation::default();
    cancellation.soft.cancel();
    let planned = plan(&options, &PlanOptions::default(), false, &cancellation).await;
    assert_eq!(planned.err().map(|failure| failure.kind), Some(FailureKind::Cancelled));
    let reconciled = reconcile(&options, &workspace(&options).unwrap(), None, None, &cancellation).await;
    assert_eq!(reconciled.err().map(|failure| failure.kind), Some(FailureKind::Cancelled));
}

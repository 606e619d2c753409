//! Asks about all mutants of cargo-mutants at once: they are woven into one program, each behind a switch that is
//! read when it runs, so that one build serves all. `tests/mutants` calls it.
//!
//!     weave LIST TREE     LIST is what `cargo mutants --list --json` says, TREE a copy that may be changed

mod built;
mod judge;
mod mutant;
mod sites;
mod woven;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use judge::Fate;
use mutant::Mutant;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(list), Some(tree)) = (arguments.next(), arguments.next()) else {
        eprintln!("weave LIST TREE");
        return ExitCode::from(2);
    };
    let list = std::fs::read_to_string(list).expect("the list can be read");
    let mutants: Vec<Mutant> = serde_json::from_str(&list).expect("the list is one of mutants");
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    for file in files.into_iter().chain(["src/lib.rs"]) {
        sources.insert(file, std::fs::read_to_string(tree.join(file)).expect("the file can be read"));
    }

    // What does not compile is taken out, until the rest does.
    let mut unviable: BTreeSet<usize> = BTreeSet::new();
    let mut left: BTreeSet<usize> = BTreeSet::new();
    let program = loop {
        for (file, source) in &sources {
            let own = mutants
                .iter()
                .enumerate()
                .filter(|(number, mutant)| mutant.file == *file && !unviable.contains(number));
            let (mut text, without_place) = woven::weave(source, own);
            left.extend(without_place);
            if *file == "src/lib.rs" {
                text.push_str(woven::SWITCH);
            }
            std::fs::write(tree.join(file), text).expect("the tree can be changed");
        }
        println!("building with {} mutants", mutants.len() - unviable.len() - left.len());
        match built::build(&tree) {
            Ok(program) => break program,
            Err(wrong) => unviable.extend(wrong),
        }
    };

    let asked: Vec<usize> =
        (0..mutants.len()).filter(|number| !unviable.contains(number) && !left.contains(number)).collect();
    let fates = judge::judge(&program, &tree, &asked);
    report(&mutants, &unviable, &left, &fates);
    let unnoticed = fates.values().filter(|fate| **fate == Fate::Unnoticed).count();
    println!("{} mutants, {unnoticed} of them unnoticed", mutants.len());
    if unnoticed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What became of the mutants of each file, and by name of those that need a person.
fn report(mutants: &[Mutant], unviable: &BTreeSet<usize>, left: &BTreeSet<usize>, fates: &BTreeMap<usize, Fate>) {
    println!(
        "| file | mutants | noticed by the room | only by the engine | in time only | do not compile | left out | unnoticed |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
    for file in files {
        let own: Vec<usize> = (0..mutants.len()).filter(|number| mutants[*number].file == file).collect();
        let of = |fate: Fate| own.iter().filter(|number| fates.get(number) == Some(&fate)).count();
        let among = |set: &BTreeSet<usize>| own.iter().filter(|number| set.contains(number)).count();
        println!(
            "| {file} | {} | {} | {} | {} | {} | {} | {} |",
            own.len(),
            of(Fate::Room),
            of(Fate::Engine),
            of(Fate::Late),
            among(unviable),
            among(left),
            of(Fate::Unnoticed)
        );
    }
    let named = |title: &str, numbers: Vec<usize>| {
        if !numbers.is_empty() {
            println!("\n{title}:");
        }
        numbers.iter().for_each(|number| println!("  {}", mutants[*number].name));
    };
    named("left out (`tests/mutants --one-by-one -F NAME` asks about them)", left.iter().copied().collect());
    let of = |fate: Fate| fates.iter().filter(|(_, found)| **found == fate).map(|(number, _)| *number).collect();
    named("only by the engine", of(Fate::Engine));
    named("did not come to an end", of(Fate::Late));
    named("unnoticed", of(Fate::Unnoticed));
    println!();
}

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files = fs::read_dir(&folder).expect("a folder of seeds");
    let seeds: Vec<_> = files
        .map(|file| fs::read(file.expect("a file").path()).expect("readable"))
        .collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

#[test]
fn every_target_has_a_harness_that_takes_its_seeds() {
    for (target, harness) in HARNESSES {
        seeds(target).iter().for_each(|seed| harness(seed));
        let file = format!(
            "{}/fuzz/fuzz_targets/{target}.rs",
            env!("CARGO_MANIFEST_DIR")
        );
        let code = fs::read_to_string(&file).expect("a fuzz target");
        assert!(code.contains(&format!("fuzzing::{target}(")), "{file}");
    }
}

/// A target, and one of its seeds with a few bytes overwritten, put in or cut off.
fn damaged() -> impl Strategy<Value = (usize, Vec<u8>)> {
    (0..HARNESSES.len()).prop_flat_map(|target| {
        let seed = prop::sample::select(seeds(HARNESSES[target].0));
        let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..3);
        let edits = prop::collection::vec(edit, 0..6);
        (
            Just(target),
            (seed, edits).prop_map(|(mut seed, edits)| {
                for (at, byte, kind) in edits {
                    let at = at.index(seed.len() + 1);
                    match kind {
                        0 if at < seed.len() => seed[at] = byte,
                        1 => seed.insert(at, byte),
                        _ => seed.truncate(at.max(1)),
                    }
                }
                seed
            }),
        )
    })
}

proptest! {
    #[test]
    fn damaged_seeds_break_no_promise((target, bytes) in damaged()) {
        HARNESSES[target].1(&bytes);
    }

    #[test]
    fn any_bytes_break_no_promise(bytes: Vec<u8>) {
        HARNESSES.iter().for_each(|(_, harness)| harness(&bytes));
    }
}

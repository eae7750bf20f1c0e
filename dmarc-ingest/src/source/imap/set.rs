//! Sets of UIDs in commands (RFC 9051, Section 9, `sequence-set`).

/// Longest set in one command, in bytes. RFC 7162, Section 4 lets a server refuse lines of more than 8,192.
const SET_BYTES: usize = 4000;

/// `uids` as ranges, in as many sets as it takes for none to be too long.
pub(super) fn sets(uids: &[u32]) -> Vec<String> {
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    let mut sets: Vec<String> = Vec::new();
    for run in uids.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let range = if first == last { first.to_string() } else { format!("{first}:{last}") };
        match sets.last_mut() {
            Some(set) if set.len() + 1 + range.len() <= SET_BYTES => {
                set.push(',');
                set.push_str(&range);
            }
            _ => sets.push(range),
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::{SET_BYTES, sets};

    #[test]
    fn joins_neighbours_in_any_order() {
        assert_eq!(sets(&[9, 3, 1, 2, 2, 7, 8, u32::MAX]), ["1:3,7:9,4294967295"]);
        assert_eq!(sets(&[]), Vec::<String>::new());
    }

    #[test]
    fn splits_what_is_too_long_for_a_line() {
        let uids: Vec<u32> = (0..5000).map(|n| 4_000_000_000 + 2 * n).collect();
        let sets = sets(&uids);
        assert!(sets.iter().all(|set| set.len() <= SET_BYTES), "{sets:?}");
        let back: Vec<u32> =
            sets.iter().flat_map(|set| set.split(',')).map(|uid| uid.parse().unwrap()).collect();
        assert_eq!(back, uids);
    }
}

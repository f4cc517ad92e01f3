//! Judging: find, check, claim, judge, report.

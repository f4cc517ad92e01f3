//! The last look at a complete tree: required fields that are missing, and values that wait for themselves.

use std::rc::Rc;

use crate::context::Context;
use crate::error::{Code, Reason};
use crate::fault::{Bottom, Done};
use crate::vertex::{ArcType, VertexId};

impl Context<'_> {
    /// All errors that count once nothing more can come; with `incomplete` also those that could still be mended.
    pub(crate) fn final_errors(&mut self, v: VertexId, incomplete: bool) -> Done<Option<Rc<Bottom>>> {
        self.enter()?;
        let v = self.actual(v);
        let mut found = None;
        let own = self.known(v).and_then(|node| node.errors.clone());
        if let Some(own) = own {
            if incomplete || own.code != Code::Incomplete {
                found = Some(own);
            }
        } else if self.only_data(v).is_none() && self.known(v).is_none_or(|node| node.arms.is_empty()) {
            let arcs: Vec<_> = self.vertex(v).arcs.iter().collect();
            for (label, arc) in arcs {
                if !label.is_regular() {
                    continue;
                }
                let error = match self.vertex(arc).arc {
                    ArcType::Optional => None,
                    ArcType::Required => Some(Bottom::new(arc, Code::Incomplete, Reason::Required, None)),
                    ArcType::Member => self.final_errors(arc, incomplete)?,
                };
                if let Some(error) = error {
                    found = Some(match found {
                        None => error,
                        Some(earlier) => {
                            let faults = earlier.faults.iter().chain(&error.faults).cloned().collect();
                            let code = earlier.code.min(error.code);
                            Rc::new(Bottom { code, faults, closedness: false })
                        }
                    });
                }
            }
        }
        self.leave();
        Ok(found)
    }
}

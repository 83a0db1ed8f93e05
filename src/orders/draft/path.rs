//! Paths of fields in a submit's body.

/// The path of a field: a chain of borrowed steps, formatted only when a problem is reported.
///
/// Bodies may nest fields with long names. Building a text for every field would take time quadratic in the body's length.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// The start of the chain.
    Root(&'a str),
    /// A field of a map.
    Field(&'a Path<'a>, &'a str),
    /// An entry of an array.
    Entry(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The first `limit` characters of the path, such as `order.items[3].quantity`, with `…` appended if it is longer.
    pub(super) fn clipped(&self, limit: usize) -> String {
        let mut text = String::new();
        let mut room = limit;
        let is_whole = self.write(&mut text, &mut room);
        if !is_whole {
            text.push('…');
        }
        text
    }

    /// Appends up to `room` characters of the path to `text`. `false` if it was cut.
    fn write(&self, text: &mut String, room: &mut usize) -> bool {
        match self {
            Self::Root(name) => push(text, name, room),
            Self::Field(parent, name) => {
                parent.write(text, room) && push(text, ".", room) && push(text, name, room)
            }
            Self::Entry(parent, index) => {
                parent.write(text, room) && push(text, &format!("[{index}]"), room)
            }
        }
    }
}

fn push(text: &mut String, part: &str, room: &mut usize) -> bool {
    #[cfg(test)]
    work::count();
    for letter in part.chars() {
        if *room == 0 {
            return false;
        }
        *room -= 1;
        text.push(letter);
    }
    true
}

/// Counts the path steps formatted on this thread.
#[cfg(test)]
pub(super) mod work {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        STEPS.with(|steps| steps.set(steps.get() + 1));
    }

    /// Steps formatted since the last call.
    pub(in super::super) fn take() -> usize {
        STEPS.with(Cell::take)
    }
}

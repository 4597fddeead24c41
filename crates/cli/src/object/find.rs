//! Which object a user means: by its id, or the end of it, as tables show it.

use anyhow::{Result, bail, ensure};
use dxos_client::{Database, Deleted, Filter, ObjectId};

/// The shortest end of an id that stands for it.
const END_CHARS_MIN: usize = 4;
/// Characters of a whole id.
const ID_CHARS: usize = 26;
/// Ids that a message lists.
const LISTED_MAX: usize = 8;
/// Objects that are looked at in one go.
const PAGE: usize = 1_000;

/// The one object that a user means.
pub(crate) async fn find_object(db: &Database, wanted: &str) -> Result<ObjectId> {
    let found = find_objects(db, &[wanted.to_owned()]).await?;
    match found.first() {
        Some(id) => Ok(*id),
        None => bail!("no object is named"),
    }
}

/// The objects that a user means, in their order. Those that are named by an end are looked for
/// among all objects of the space; a whole id is taken as it is.
pub(crate) async fn find_objects(db: &Database, wanted: &[String]) -> Result<Vec<ObjectId>> {
    let mut named: Vec<Named> = wanted
        .iter()
        .map(|text| Named::read(text))
        .collect::<Result<_>>()?;
    if named.iter().any(|named| named.whole.is_none()) {
        look_through(db, &mut named).await?;
    }
    named.into_iter().map(Named::found).collect()
}

async fn look_through(db: &Database, named: &mut [Named]) -> Result<()> {
    let mut after = None;
    loop {
        let mut query = db.query(Filter::all()).deleted(Deleted::Include);
        if let Some(after) = after {
            query = query.after(after);
        }
        let page = query.page(PAGE).await?;
        for object in &page.objects {
            let text = object.id().to_string();
            for named in named.iter_mut() {
                named.look_at(object.id(), &text);
            }
        }
        after = page.next;
        if after.is_none() || page.objects.is_empty() {
            return Ok(());
        }
    }
}

/// An object as a user names it.
struct Named {
    text: String,
    whole: Option<ObjectId>,
    found: Vec<ObjectId>,
}

impl Named {
    fn read(text: &str) -> Result<Self> {
        let whole = text.parse().ok();
        ensure!(
            whole.is_some() || (END_CHARS_MIN..ID_CHARS).contains(&text.chars().count()),
            "{text:?} is no object: give its id of {ID_CHARS} characters, or at least the last \
             {END_CHARS_MIN} of them, as `dx query` shows it"
        );
        Ok(Self {
            text: text.to_owned(),
            whole,
            found: Vec::new(),
        })
    }

    fn look_at(&mut self, id: ObjectId, text: &str) {
        let is_wanted = self.whole.is_none() && text.ends_with(&self.text);
        if is_wanted && self.found.len() <= LISTED_MAX {
            self.found.push(id);
        }
    }

    fn found(self) -> Result<ObjectId> {
        if let Some(whole) = self.whole {
            return Ok(whole);
        }
        match self.found.as_slice() {
            [one] => Ok(*one),
            [] => bail!(
                "no object of this space has an id that ends with {:?}; `dx query SPACE` shows \
                 objects",
                self.text
            ),
            several => {
                let listed = several.iter().take(LISTED_MAX).map(ToString::to_string);
                let listed: Vec<_> = listed.collect();
                let more = if several.len() > LISTED_MAX {
                    ", …"
                } else {
                    ""
                };
                bail!(
                    "several objects have ids that end with {:?}; give more of the one: {}{more}",
                    self.text,
                    listed.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(ids: &[ObjectId], wanted: &str) -> Result<ObjectId> {
        let mut named = Named::read(wanted)?;
        for id in ids {
            named.look_at(*id, &id.to_string());
        }
        named.found()
    }

    #[test]
    fn an_id_or_its_unique_end_is_found() {
        let ids: Vec<_> = (0..20_u8)
            .map(|n| ObjectId::from_bytes([n, n, n, n, n, n, n, n, 7, 7, 7, 7, 7, 7, 7, 7]))
            .chain([ObjectId::from_bytes([9; 16])])
            .collect();
        let last = *ids.last().unwrap();
        assert_eq!(last.to_string().len(), ID_CHARS);
        assert_eq!(find(&ids, &last.to_string()).unwrap(), last);
        assert_eq!(find(&ids, &last.short()).unwrap(), last);
        // A whole id need not be here.
        assert_eq!(find(&[], &last.to_string()).unwrap(), last);
        let short = ids[0].to_string();
        let several = find(&ids, &short[short.len() - 4..])
            .unwrap_err()
            .to_string();
        assert!(
            several.contains(&short) && several.ends_with('…'),
            "{several}"
        );
        for (wrong, said) in [("yyy", "at least the last 4"), ("yyyyyyyyyy", "ends with")] {
            let error = find(&ids, wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}

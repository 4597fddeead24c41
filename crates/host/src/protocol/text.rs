//! Texts that are edited. Every position on the wire counts UTF-16 units, as JavaScript does.

wire! {
    /// A text as an editor begins with it.
    pub struct TextValue {
        /// Counts every change of what shows, whoever made it.
        pub version: u64,
        /// The characters.
        pub content: String,
        /// The marks.
        pub marks: Vec<MarkInfo>,
        /// The number of the last edit of this client that is in it, 0 for none.
        pub edit: u64,
    }

    /// A mark over a range of characters.
    pub struct MarkInfo {
        /// The first character.
        pub from: u32,
        /// The first character after it.
        pub to: u32,
        /// What is said of the range, such as `bold`.
        pub name: String,
        /// Its value, never null.
        #[cfg_attr(test, ts(type = "EchoValue"))]
        pub value: serde_json::Value,
    }

    /// What others changed in a text.
    pub struct TextChangeInfo {
        /// The version of the text after it.
        pub version: u64,
        /// What was changed, each as of the text after those before it.
        pub changes: Vec<TextSplice>,
    }

    /// At a position characters were taken out and put in.
    #[derive(Eq)]
    pub struct TextSplice {
        /// The position.
        pub at: u32,
        /// How many were taken out.
        #[serde(default)]
        pub delete: u32,
        /// What was put in.
        #[serde(default)]
        pub insert: String,
    }

    /// An edit was taken in.
    pub struct TextEdited {
        /// The version of the text after it.
        pub version: u64,
    }

    /// A step was undone or redone.
    pub struct TextStepped {
        /// Whether there was one. What changed comes as a `change`.
        pub stepped: bool,
    }

    /// Where somebody has the cursor in a text.
    pub struct CursorInfo {
        /// The identity.
        pub identity: String,
        /// Its device.
        pub device: String,
        /// Tells several editors of one device apart.
        pub editor: String,
        /// What the identity is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub display_name: Option<String>,
        /// Where the selection begins.
        pub anchor: u32,
        /// Where the cursor is.
        pub head: u32,
        /// The version of the text that the positions are of.
        pub version: u64,
    }
}

params! {
    /// Names a text by the subscription that follows it.
    pub struct TextParams {
        /// The subscription.
        pub id: u32,
    }

    /// Edits a text. It is taken in when `version` is the current one, and otherwise refused
    /// with the code `STALE`: take in the changes that are on their way, rebase, send again.
    pub struct EditText {
        /// The subscription.
        pub id: u32,
        /// Counts the edits of this subscription from 1. One that is sent again is not taken in
        /// twice. Send the next when this one is answered; merge what is typed meanwhile.
        pub edit: u64,
        /// The version of the text that the edit was made of.
        pub version: u64,
        /// What is changed, each as of the text after those before it.
        pub changes: Vec<TextSplice>,
    }

    /// Puts a mark onto a range, or takes it off with null. The marks come anew with a `value`.
    pub struct MarkText {
        /// The subscription.
        pub id: u32,
        /// The version of the text that the range is of.
        pub version: u64,
        /// The first character.
        pub from: u32,
        /// The first character after it.
        pub to: u32,
        /// What is said of the range.
        pub name: String,
        /// Its value.
        #[cfg_attr(test, ts(type = "EchoValue", optional))]
        #[serde(default)]
        pub value: serde_json::Value,
        /// What of what is typed at the ends is marked too.
        #[cfg_attr(test, ts(optional, as = "Option<_>"))]
        #[serde(default)]
        pub expand: ExpandSpec,
    }

    /// Shows others where the cursor is. It is not stored; leave it out to show none.
    pub struct SetCursor {
        /// The subscription to the text.
        pub id: u32,
        /// The version of the text that the positions are of.
        pub version: u64,
        /// Where the selection begins and where the cursor is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub selection: Option<SelectionSpec>,
    }

    /// A selection.
    #[derive(Eq)]
    pub struct SelectionSpec {
        /// Where it begins.
        pub anchor: u32,
        /// Where the cursor is.
        pub head: u32,
    }
}

kinds! {
    /// What of what is typed at the ends of a mark is marked too.
    #[derive(Copy, Default, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum ExpandSpec {
        /// At its end, as people expect of bold.
        #[default]
        After,
        /// At its beginning.
        Before,
        /// At both ends.
        Both,
        /// At neither, as people expect of links.
        None,
    }
}

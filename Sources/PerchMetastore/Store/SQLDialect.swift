// SPDX-License-Identifier: Apache-2.0

/// What differs between databases: the words in braces, the placeholders, and what the schema's types are called.
package struct SQLDialect: Sendable {
    /// Each word, and what stands for it.
    private let words: [(word: String, meaning: String)]
    /// Before the number of a value.
    private let placeholder: Character
    /// In the schema's scripts, where the types `INTEGER` and `TEXT` of SQLite have other names.
    private let types: [(word: String, meaning: String)]

    /// A dialect.
    ///
    /// - Parameters:
    ///   - clustered: Behind a table's columns, where the primary key is how rows are looked up and stored.
    ///   - table: Behind every other table's columns.
    ///   - int64: A whole number of 64 bits; of a primary key it makes the row's own number.
    ///   - forUpdate: Behind a `SELECT` whose rows are about to be changed.
    ///   - skipLocked: Behind a `SELECT` that claims rows nobody else is claiming.
    ///   - like: Compares with a pattern, where the case of ASCII letters does not count.
    ///   - tables: A query that gives the names of all tables.
    ///   - columns: A query that gives the names and types of a table's columns, the table being its value.
    ///   - damage: A query that gives a line for each damage of what is stored, or `ok`.
    ///   - integer: A whole number of 64 bits, where the schema says `INTEGER`; nil: the same.
    ///   - text: A text that is compared by its bytes, where the schema says `TEXT`; nil: the same.
    package init(
        placeholder: Character, clustered: String, table: String, int64: String, forUpdate: String, skipLocked: String,
        like: String, tables: String, columns: String, damage: String, integer: String? = nil, text: String? = nil
    ) {
        self.placeholder = placeholder
        words = [
            ("{clustered}", clustered), ("{table}", table), ("{int64}", int64), ("{for_update}", forUpdate),
            ("{skip_locked}", skipLocked), ("{like}", like), ("{tables}", tables), ("{columns}", columns),
            ("{damage}", damage), ("{ids}", IDChunk.placeholders),
        ]
        types = [(" INTEGER", integer), (" TEXT", text)].compactMap { word, name in name.map { (word, " " + $0) } }
    }

    static let sqlite = SQLDialect(
        placeholder: "?", clustered: "STRICT, WITHOUT ROWID", table: "STRICT", int64: "INTEGER", forUpdate: "",
        skipLocked: "", like: "LIKE", tables: "SELECT name FROM sqlite_master WHERE type = 'table'",
        columns: "SELECT name, type FROM pragma_table_info(:1) ORDER BY cid",
        damage: "PRAGMA integrity_check(20)")

    /// The schema's statements with the words and the types of the driver.
    package func translate(script: String) -> String {
        var text = script
        for (word, meaning) in types {
            text = text.split(separator: word, omittingEmptySubsequences: false).joined(separator: meaning)
        }
        return translate(text)
    }

    /// A statement with its row of values, in parentheses behind `VALUES`, so many times over, the numbers of the placeholders
    /// counted on. There are none outside of the row.
    package static func repeating(_ sql: StaticString, rows: Int) -> String {
        let text = "\(sql)"
        guard rows > 1 else { return text }
        guard let start = text.firstRange(of: "VALUES (")?.upperBound, let end = end(of: text[start...]) else {
            preconditionFailure("a statement of many rows has a row of values: \(sql)")
        }
        // What stands between the placeholders: of `:1, 'wait', :2` that is "", ", 'wait', " and, in the end, "".
        var pieces: [Substring] = []
        var numbers: [Int] = []
        var rest = text[start..<end]
        while let colon = rest.firstIndex(of: ":") {
            let digits = rest[rest.index(after: colon)...].prefix(while: \.isNumber)
            guard let number = Int(digits) else { preconditionFailure("a value without a number: \(sql)") }
            pieces.append(rest[..<colon])
            numbers.append(number)
            rest = rest[digits.endIndex...]
        }
        // A row without placeholders is the same each time.
        let width = numbers.max() ?? 0
        let repeated = (0..<rows).map { row in
            zip(pieces, numbers).map { "\($0):\(row * width + $1)" }.joined() + rest
        }
        return text[..<start] + repeated.joined(separator: "), (") + text[end...]
    }

    /// The parenthesis that ends what has begun before a text.
    private static func end(of text: Substring) -> Substring.Index? {
        var depth = 1
        return text.indices.first { index in
            switch text[index] {
            case "(": depth += 1
            case ")": depth -= 1
            default: break
            }
            return depth == 0
        }
    }

    /// The statement with the words and the placeholders of the driver.
    package func translate(_ sql: String) -> String {
        var text = sql
        if text.contains("{") {
            for (word, meaning) in words {
                text = text.split(separator: word, omittingEmptySubsequences: false).joined(separator: meaning)
            }
        }
        // `:n` becomes the driver's own mark; a colon that is no placeholder (`::`, a literal) has no digit behind it.
        var translated = ""
        translated.reserveCapacity(text.utf8.count)
        var rest = text[...]
        while let colon = rest.firstIndex(of: ":") {
            translated += rest[..<colon]
            let next = rest.index(after: colon)
            translated.append(next < rest.endIndex && rest[next].isNumber ? placeholder : ":")
            rest = rest[next...]
        }
        translated += rest
        return translated
    }
}

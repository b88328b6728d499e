// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The columns of a table that rows are for.
enum TableColumns {
    /// The names of the table's own columns for those of the rows, which may differ in the case of letters.
    /// - Throws: `NonRetryable` that names what the table does not have.
    static func matched(
        _ columns: [String], with own: [String], _ table: String, _ mode: TableMode
    ) throws(NonRetryable) -> (columns: [String], keys: [String]) {
        var matched: [String] = []
        for column in columns {
            let name = try find(column, in: own, table)
            guard !matched.contains(name) else {
                throw NonRetryable("two columns go into '\(name.shown(60))' of the table \(table.shown(80))")
            }
            matched.append(name)
        }
        guard case .upsert(let given) = mode else { return (matched, []) }
        var keys: [String] = []
        for key in given {
            let name = try find(key, in: own, table)
            guard matched.contains(name) || columns.isEmpty else {
                throw NonRetryable("the key '\(key.shown(60))' is not among the columns of the rows")
            }
            keys.append(name)
        }
        return (matched, keys)
    }

    private static func find(_ name: String, in own: [String], _ table: String) throws(NonRetryable) -> String {
        if own.contains(name) { return name }
        let alike = own.filter { $0.lowercased() == name.lowercased() }
        if let only = alike.first, alike.count == 1 { return only }
        let near = NearestName.of(name, among: own).map { "did you mean '\($0.shown(60))'?" }
        let all = own.prefix(30).map { $0.shown(60) }.joined(separator: ", ")
        throw NonRetryable(
            "the table \(table.shown(80)) has no column '\(name.shown(60))'; \(near ?? "it has \(all)")")
    }

    static func list(_ names: [String]) -> String {
        names.map { SQLColumns.quoted($0) }.joined(separator: ", ")
    }

    /// What an upsert overwrites.
    static func update(_ columns: [String], _ keys: [String], from source: String) -> String {
        let others = columns.filter { !keys.contains($0) }
        guard !others.isEmpty else { return "NOTHING" }
        let settings = others.map { "\(SQLColumns.quoted($0)) = \(source).\(SQLColumns.quoted($0))" }
        return "UPDATE SET \(settings.joined(separator: ", "))"
    }
}

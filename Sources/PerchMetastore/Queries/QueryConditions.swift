// SPDX-License-Identifier: Apache-2.0

/// The conditions of a query as they are put together from a filter: only those that were asked for, so that the database can
/// go by its indexes.
struct QueryConditions {
    var texts: [String] = []
    var values: [SQLValue] = []

    /// A placeholder for a value.
    mutating func place(_ value: some SQLConvertible) -> String {
        values.append(value.sqlValue)
        return ":\(values.count)"
    }

    mutating func add(_ condition: String, _ value: (some SQLConvertible)?) {
        guard let value else { return }
        texts.append("\(condition) \(place(value))")
    }

    /// That a column is one of some texts; nil: it may be any.
    mutating func add(_ column: String, in names: [String]?) {
        guard let names else { return }
        texts.append(names.isEmpty ? "1 = 0" : "\(column) IN (\(names.map { place($0) }.joined(separator: ", ")))")
    }

    var text: String { texts.isEmpty ? "1 = 1" : texts.joined(separator: " AND ") }
}

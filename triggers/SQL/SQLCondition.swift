// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What the rows of a query must be to end a wait.
public indirect enum SQLCondition: Hashable, Sendable {
    /// The first value of the first row is there and is neither null, false, 0, an empty text nor the text `0`: what
    /// Airflow's `SqlSensor` waits for.
    case truthy
    /// There are so many rows at least.
    case rows(atLeast: Int)
    /// The first value of the first row passes a condition, with `$` for the value.
    case first(JSONCondition)
    /// One of the rows, each an object by the names of its columns, meets a condition.
    case anyRow(JSONCondition)
    /// All of these.
    case all([SQLCondition])
    /// At least one of these.
    case any([SQLCondition])
    /// Not this.
    case not(SQLCondition)

    /// So many rows may be asked for at most.
    static let mostRows = 100_000

    /// There is a row.
    public static let anyRow = SQLCondition.rows(atLeast: 1)
    /// There is no row.
    public static let noRow = SQLCondition.not(.anyRow)

    /// The first value of the first row passes a test.
    public static func value(_ test: JSONTest) -> SQLCondition { .first(.json("$", test)) }
    /// The first value of the first row is this one.
    public static func value(equals value: JSONValue) -> SQLCondition { .value(.equals(value)) }
    /// The first value of the first row is one of these.
    public static func value(in values: [JSONValue]) -> SQLCondition { .value(.isIn(values)) }
    /// In one of the rows the column passes a test.
    public static func column(_ name: String, _ test: JSONTest) -> SQLCondition {
        .anyRow(.json("$['\(name)']", test))
    }
    /// In one of the rows the column has this value.
    public static func column(_ name: String, equals value: JSONValue) -> SQLCondition { .column(name, .equals(value)) }
    /// In one of the rows the column has one of these values.
    public static func column(_ name: String, in values: [JSONValue]) -> SQLCondition { .column(name, .isIn(values)) }

    /// What is wrong with it, in sentences.
    public var problems: [String] {
        switch self {
        case .truthy: return []
        case .rows(let count):
            return (1...Self.mostRows).contains(count)
                ? [] : ["a number of rows is from 1 to \(Self.mostRows), not \(count)"]
        case .first(let condition), .anyRow(let condition): return condition.problems
        case .all(let parts): return parts.flatMap(\.problems)
        case .any(let parts):
            return parts.isEmpty ? ["'any' of no conditions is never true"] : parts.flatMap(\.problems)
        case .not(let part): return part.problems
        }
    }

    /// How many rows must be counted to judge it.
    var rowsNeeded: Int {
        switch self {
        case .truthy, .first, .anyRow: 1
        case .rows(let count): count
        case .all(let parts), .any(let parts): parts.map(\.rowsNeeded).max() ?? 1
        case .not(let part): part.rowsNeeded
        }
    }

    func evaluate(_ rows: SQLRows) -> Bool {
        switch self {
        case .truthy: rows.first.map(Self.isTruthy) ?? false
        case .rows(let count): rows.count >= count
        case .first(let condition): rows.first.map(condition.evaluate) ?? false
        case .anyRow(let condition): rows.rows.contains(where: condition.evaluate)
        case .all(let parts): parts.allSatisfy { $0.evaluate(rows) }
        case .any(let parts): parts.contains { $0.evaluate(rows) }
        case .not(let part): !part.evaluate(rows)
        }
    }

    private static func isTruthy(_ value: JSONValue) -> Bool {
        switch value {
        case .null: false
        case .bool(let flag): flag
        case .integer(let number): number != 0
        case .number(let number): number != 0
        case .string(let text): !text.isEmpty && text != "0"
        case .array(let elements): !elements.isEmpty
        case .object(let members): !members.isEmpty
        }
    }
}

extension SQLCondition: CustomStringConvertible {
    /// In words, for people.
    public var description: String {
        switch self {
        case .truthy: "the first value is neither null, false, 0 nor empty"
        case .rows(let count): count == 1 ? "there is a row" : "there are \(count) rows"
        case .first(let condition): "for the first value: \(condition)"
        case .anyRow(let condition): "in a row \(condition)"
        case .all(let parts): "(" + parts.map(\.description).joined(separator: " and ") + ")"
        case .any(let parts): "(" + parts.map(\.description).joined(separator: " or ") + ")"
        case .not(let part): "not \(part)"
        }
    }
}

extension SQLCondition: Codable {
    private enum Name: String, CodingKey, CaseIterable {
        case truthy, rows, first, row, all, any, not
    }

    private struct AnyName: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// So deep conditions may stand in one another.
    private static let deepest = 64

    /// Reads `{"truthy": true}`, `{"rows": 3}`, `{"first": …}`, `{"row": …}`, `{"all": […]}`, `{"any": […]}` or
    /// `{"not": …}`.
    public init(from decoder: any Decoder) throws {
        func fault(_ reason: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: reason))
        }
        guard decoder.codingPath.count <= Self.deepest else {
            throw fault("conditions are nested deeper than \(Self.deepest)")
        }
        let written = try decoder.container(keyedBy: AnyName.self).allKeys.map(\.stringValue).sorted()
        let names = Name.allCases.map(\.rawValue).joined(separator: ", ")
        guard written.count == 1, let name = Name(rawValue: written[0]) else {
            throw fault("a condition is one of \(names), not \(written.joined(separator: ", ").shown(80))")
        }
        let container = try decoder.container(keyedBy: Name.self)
        switch name {
        case .truthy:
            guard try container.decode(Bool.self, forKey: name) else { throw fault("'truthy' is true, or in a 'not'") }
            self = .truthy
        case .rows: self = .rows(atLeast: try container.decode(Int.self, forKey: name))
        case .first: self = .first(try container.decode(JSONCondition.self, forKey: name))
        case .row: self = .anyRow(try container.decode(JSONCondition.self, forKey: name))
        case .all: self = .all(try container.decode([SQLCondition].self, forKey: name))
        case .any: self = .any(try container.decode([SQLCondition].self, forKey: name))
        case .not: self = .not(try container.decode(SQLCondition.self, forKey: name))
        }
    }

    /// Writes what is read.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        switch self {
        case .truthy: try container.encode(true, forKey: .truthy)
        case .rows(let count): try container.encode(count, forKey: .rows)
        case .first(let condition): try container.encode(condition, forKey: .first)
        case .anyRow(let condition): try container.encode(condition, forKey: .row)
        case .all(let parts): try container.encode(parts, forKey: .all)
        case .any(let parts): try container.encode(parts, forKey: .any)
        case .not(let part): try container.encode(part, forKey: .not)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension HTTPCondition: Codable {
    /// Reads the coded form: `{"status": [200, "500-599"]}`, `{"header": "x-state", "equals": "done"}`,
    /// `{"json": {"path": "$.state", "in": ["DONE"]}}`, `{"body": "ready"}`, `{"all": […]}`, `{"any": […]}`,
    /// `{"not": {…}}`.
    public init(from decoder: any Decoder) throws { form = try Form(from: decoder) }

    /// Writes the coded form.
    public func encode(to encoder: any Encoder) throws { try form.encode(to: encoder) }
}

extension HTTPCondition.Form: Codable {
    private enum Name: String, CodingKey, CaseIterable {
        case status, header, equals, matches, json, body, all, any, not
    }

    private struct AnyName: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// So deep conditions may stand in one another.
    private static let deepest = 64

    init(from decoder: any Decoder) throws {
        guard decoder.codingPath.count <= Self.deepest else {
            throw Self.fault("conditions are nested deeper than \(Self.deepest)", decoder)
        }
        let written = try decoder.container(keyedBy: AnyName.self).allKeys.map(\.stringValue).sorted()
        for name in written where Name(rawValue: name) == nil {
            throw Self.fault(
                "a condition has no '\(name.shown(40))'; it has \(Name.allCases.map(\.rawValue).joined(separator: ", "))",
                decoder)
        }
        let container = try decoder.container(keyedBy: Name.self)
        if container.contains(.header) {
            // What is not read would not be asked: two conditions are written with 'all'.
            guard written.count == 2, container.contains(.equals) != container.contains(.matches) else {
                throw Self.fault("beside 'header' stands one of equals, matches", decoder)
            }
            let name = try container.decode(String.self, forKey: .header)
            self =
                container.contains(.equals)
                ? .headerEquals(name, try container.decode(String.self, forKey: .equals))
                : .headerMatches(name, try container.decode(TextPattern.self, forKey: .matches))
            return
        }
        guard written.count == 1 else {
            throw Self.fault("a condition is one of status, header, json, body, all, any, not", decoder)
        }
        if container.contains(.status) {
            self = .status(try Self.ranges(try container.decode(JSONValue.self, forKey: .status), decoder))
        } else if container.contains(.json) {
            self = .json(try container.decode(JSONCondition.self, forKey: .json))
        } else if container.contains(.body) {
            self = .body(try container.decode(TextPattern.self, forKey: .body))
        } else if container.contains(.all) {
            self = .all(try container.decode([HTTPCondition.Form].self, forKey: .all))
        } else if container.contains(.any) {
            self = .any(try container.decode([HTTPCondition.Form].self, forKey: .any))
        } else if container.contains(.not) {
            self = .not(try container.decode(HTTPCondition.Form.self, forKey: .not))
        } else {
            throw Self.fault("beside 'equals' or 'matches' stands 'header', which says whose value is tested", decoder)
        }
    }

    /// A status, `"200-299"`, or a list of such.
    private static func ranges(_ value: JSONValue, _ decoder: any Decoder) throws -> [ClosedRange<Int>] {
        switch value {
        case .integer(let status): return [Int(status)...Int(status)]
        case .string(let text):
            let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends.first, let low = first, let last = ends.last, let high = last, ends.count <= 2,
                low <= high
            else { throw fault("'\(text.shown(40))' is no range of statuses; write \"200-299\"", decoder) }
            return [low...high]
        case .array(let elements): return try elements.flatMap { try ranges($0, decoder) }
        default: throw fault("a status is a number, a range such as \"200-299\", or a list of them", decoder)
        }
    }

    private static func fault(_ reason: String, _ decoder: any Decoder) -> DecodingError {
        .dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: reason))
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        switch self {
        case .status(let ranges):
            let coded = ranges.map { range -> JSONValue in
                range.lowerBound == range.upperBound
                    ? .integer(Int64(range.lowerBound)) : .string("\(range.lowerBound)-\(range.upperBound)")
            }
            try container.encode(coded.count == 1 ? coded[0] : .array(coded), forKey: .status)
        case .headerEquals(let name, let value):
            try container.encode(name, forKey: .header)
            try container.encode(value, forKey: .equals)
        case .headerMatches(let name, let pattern):
            try container.encode(name, forKey: .header)
            try container.encode(pattern, forKey: .matches)
        case .json(let condition): try container.encode(condition, forKey: .json)
        case .body(let pattern): try container.encode(pattern, forKey: .body)
        case .all(let parts): try container.encode(parts, forKey: .all)
        case .any(let parts): try container.encode(parts, forKey: .any)
        case .not(let part): try container.encode(part, forKey: .not)
        }
    }
}

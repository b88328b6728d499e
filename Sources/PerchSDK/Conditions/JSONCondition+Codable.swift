// SPDX-License-Identifier: Apache-2.0

extension JSONCondition: Codable {
    /// The names of the coded form: `{"path": "$.state", "in": ["DONE"]}`, `{"all": […]}`, `{"not": {…}}`.
    private enum Name: String, CodingKey, CaseIterable {
        case path, all, any, not, equals
        case notEquals = "not_equals"
        case isIn = "in"
        case greaterThan = "greater_than"
        case atLeast = "at_least"
        case lessThan = "less_than"
        case atMost = "at_most"
        case exists, matches, contains

        static let tests = allCases.filter { ![.path, .all, .any, .not].contains($0) }
    }

    private struct AnyName: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// So deep conditions may stand in one another.
    private static let deepest = 64

    /// Reads the coded form; of an unknown or missing name it says what is allowed.
    public init(from decoder: any Decoder) throws {
        let written = try decoder.container(keyedBy: AnyName.self).allKeys.map(\.stringValue).sorted()
        func fault(_ reason: String) -> DecodingError {
            .dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: reason))
        }
        guard decoder.codingPath.count <= Self.deepest else {
            throw fault("conditions are nested deeper than \(Self.deepest)")
        }
        for name in written where Name(rawValue: name) == nil {
            throw fault(
                "a condition has no '\(name.shown(40))'; it has \(Name.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        let container = try decoder.container(keyedBy: Name.self)
        if container.contains(.path) {
            let names = Name.tests.filter(container.contains)
            guard names.count == 1, written.count == 2 else {
                throw fault("beside 'path' stands one of \(Name.tests.map(\.rawValue).joined(separator: ", "))")
            }
            self = .test(try container.decode(JSONPath.self, forKey: .path), try Self.test(names[0], in: container))
            return
        }
        guard written.count == 1 else { throw fault("a condition is one of path, all, any, not") }
        if container.contains(.all) {
            self = .all(try container.decode([JSONCondition].self, forKey: .all))
        } else if container.contains(.any) {
            self = .any(try container.decode([JSONCondition].self, forKey: .any))
        } else if container.contains(.not) {
            self = .not(try container.decode(JSONCondition.self, forKey: .not))
        } else {
            throw fault("'path' says which value is tested")
        }
    }

    private static func test(_ name: Name, in container: KeyedDecodingContainer<Name>) throws -> JSONTest {
        func value() throws -> JSONValue { try container.decode(JSONValue.self, forKey: name) }
        return switch name {
        case .equals: .equals(try value())
        case .notEquals: .notEquals(try value())
        case .isIn: .isIn(try container.decode([JSONValue].self, forKey: name))
        case .greaterThan: .greaterThan(try value())
        case .atLeast: .atLeast(try value())
        case .lessThan: .lessThan(try value())
        case .atMost: .atMost(try value())
        case .exists: .exists(try container.decode(Bool.self, forKey: name))
        case .matches: .matches(try container.decode(TextPattern.self, forKey: name))
        case .contains: .contains(try value())
        case .path, .all, .any, .not:
            throw DecodingError.dataCorruptedError(forKey: name, in: container, debugDescription: "no test of a value")
        }
    }

    /// Writes the coded form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        switch self {
        case .all(let parts): try container.encode(parts, forKey: .all)
        case .any(let parts): try container.encode(parts, forKey: .any)
        case .not(let part): try container.encode(part, forKey: .not)
        case .test(let path, let test):
            try container.encode(path, forKey: .path)
            switch test {
            case .equals(let value): try container.encode(value, forKey: .equals)
            case .notEquals(let value): try container.encode(value, forKey: .notEquals)
            case .isIn(let values): try container.encode(values, forKey: .isIn)
            case .greaterThan(let value): try container.encode(value, forKey: .greaterThan)
            case .atLeast(let value): try container.encode(value, forKey: .atLeast)
            case .lessThan(let value): try container.encode(value, forKey: .lessThan)
            case .atMost(let value): try container.encode(value, forKey: .atMost)
            case .exists(let wanted): try container.encode(wanted, forKey: .exists)
            case .matches(let pattern): try container.encode(pattern, forKey: .matches)
            case .contains(let value): try container.encode(value, forKey: .contains)
            }
        }
    }
}

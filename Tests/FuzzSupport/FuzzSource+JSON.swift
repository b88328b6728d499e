// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension FuzzSource {
    /// Any document, most of them small.
    public mutating func json(depth: Int = 4) -> JSONValue {
        switch int(0...(depth > 0 ? 8 : 5)) {
        case 0: return .null
        case 1: return .bool(one(in: 2))
        case 2: return .integer(integer())
        case 3: return .number(double())
        case 4, 5: return .string(text())
        case 6, 7: return .array(several(0...4) { $0.json(depth: depth - 1) })
        default:
            let members = several(0...4) { ($0.name(), $0.json(depth: depth - 1)) }
            return .object(Dictionary(members, uniquingKeysWith: { $1 }))
        }
    }

    /// Finite doubles that no whole number of 64 bits is equal to, or that are written with a point or an exponent.
    public mutating func double() -> Double {
        switch int(0...3) {
        case 0:
            return pick([
                0, -0.0, 0.1, 1.5, 1e16, 1e-7, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0x1p53, 9.3e18, -1e300,
            ])
        case 1: return Double(integer()) / 8
        default:
            let value = Double(bitPattern: next())
            return value.isFinite ? value : 0.5
        }
    }

    /// Names of members, some of them seen by what reads documents.
    public mutating func name() -> String {
        let known = [
            "name", "key", "id", "payload", "type", "path", "kind", "target", "definition", "due", "at", "after", "all",
            "any", "not", "status", "equals", "in", "tasks", "task_id", "dag_id", "schedule", "a", "b",
        ]
        return one(in: 4) ? text() : pick(known)
    }

    /// A JSON text as somebody else may write it: spaces anywhere, escapes where none is needed, members twice.
    public mutating func written(_ value: JSONValue) -> String {
        switch value {
        case .array(let elements):
            return "[" + space() + elements.map { written($0) }.joined(separator: space() + "," + space()) + space()
                + "]"
        case .object(let members):
            var parts = members.sorted { $0.key < $1.key }.map {
                written(.string($0.key)) + space() + ":" + written($0.value)
            }
            // Of a repeated member the last one counts.
            if let last = parts.last, one(in: 8) { parts.append(last) }
            return "{" + space() + parts.joined(separator: space() + "," + space()) + space() + "}"
        case .string(let text) where one(in: 3):
            let escaped = text.unicodeScalars.map { scalar in
                scalar.utf16.map { unit in
                    let digits = String(unit, radix: 16)
                    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }.joined()
            }
            return "\"" + escaped.joined() + "\""
        default: return space() + value.text + space()
        }
    }

    private mutating func space() -> String { pick(["", "", "", " ", "\n", "\t \r"]) }
}

// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import Glibc
internal import PerchSDK

/// Parameters and values of PostgreSQL, in its text form.
enum PostgresValues {
    private enum TypeID {
        static let bool: UInt32 = 16
        static let integers: Set<UInt32> = [20, 21, 23, 26]
        static let numbers: Set<UInt32> = [700, 701, 1_700]
        static let json: Set<UInt32> = [114, 3_802]
    }

    static func send(_ text: String, _ parameters: [JSONValue], _ connection: OpaquePointer) -> Bool {
        let values = parameters.map { value -> UnsafePointer<CChar>? in
            switch value {
            case .null: nil
            case .string(let text): UnsafePointer(strdup(text))
            default: UnsafePointer(strdup(value.text))
            }
        }
        defer { for value in values { free(UnsafeMutablePointer(mutating: value)) } }
        return PQsendQueryParams(connection, text, Int32(values.count), nil, values, nil, nil, 0) == 1
    }

    static func value(_ result: OpaquePointer, _ row: Int32, _ column: Int32) -> JSONValue {
        guard PQgetisnull(result, row, column) == 0, let bytes = PQgetvalue(result, row, column) else { return .null }
        let count = Int(PQgetlength(result, row, column))
        let raw = UnsafeRawBufferPointer(start: bytes, count: count)
        let text = String(decoding: raw, as: UTF8.self)
        let type = PQftype(result, column)
        if type == TypeID.bool { return .bool(text == "t") }
        if TypeID.integers.contains(type) { return Int64(text).map { .integer($0) } ?? .string(text) }
        if TypeID.numbers.contains(type) {
            if let whole = Int64(text) { return .integer(whole) }
            if let number = Double(text), number.isFinite { return .number(number) }
            return .string(text)
        }
        if TypeID.json.contains(type) {
            do {
                return try JSONValue(parsing: Array(raw))
            } catch {  // because it may be nested deeper than is read here: it is a text then
                return .string(text)
            }
        }
        return .string(text)
    }
}

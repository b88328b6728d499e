// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import Glibc
internal import PerchSDK

/// Parameters and values of PostgreSQL, in its text form.
enum PostgresCells {
    private enum TypeID {
        static let bool: UInt32 = 16
        static let bytes: UInt32 = 17
        static let integers: Set<UInt32> = [20, 21, 23, 26]
        static let floats: Set<UInt32> = [700, 701]
        static let numeric: UInt32 = 1_700
        static let json: Set<UInt32> = [114, 3_802]
    }

    /// Sends a statement with its parameters; the server knows their types by their places.
    /// - Throws: `NonRetryable` where a parameter is none that a server takes.
    static func send(_ text: String, _ parameters: [JSONValue], _ connection: OpaquePointer) throws -> Bool {
        let texts = try parameters.enumerated().map { index, value -> String? in
            guard let text = SQLCell(value).written else { return nil }
            guard !text.utf8.contains(0) else { throw NonRetryable("the parameter $\(index + 1) holds a zero byte") }
            return text
        }
        let values = texts.map { $0.map { UnsafePointer<CChar>(strdup($0)) } ?? nil }
        defer { for value in values { free(UnsafeMutablePointer(mutating: value)) } }
        return PQsendQueryParams(connection, text, Int32(values.count), nil, values, nil, nil, 0) == 1
    }

    static func cell(_ result: OpaquePointer, _ row: Int32, _ column: Int32) -> SQLCell {
        guard PQgetisnull(result, row, column) == 0, let bytes = PQgetvalue(result, row, column) else { return .null }
        let raw = UnsafeRawBufferPointer(start: bytes, count: Int(PQgetlength(result, row, column)))
        let type = PQftype(result, column)
        if type == TypeID.bytes, let bytes = SQLCell.bytes(hexadecimal: raw) { return .bytes(bytes) }
        let text = String(decoding: raw, as: UTF8.self)
        if type == TypeID.bool { return .bool(text == "t") }
        if TypeID.integers.contains(type), let number = Int64(text) { return .integer(number) }
        if TypeID.floats.contains(type), let number = Double(text) { return .number(number) }
        if type == TypeID.numeric, text != "NaN", !text.hasSuffix("Infinity") { return .decimal(text) }
        if TypeID.json.contains(type) { return .json(text) }
        return .text(text)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// How rows stand in a file or a body.
public enum DataFormat: Hashable, Sendable {
    case csv(CSVFormat)
    /// One JSON object a line.
    case jsonLines
    /// One JSON array of objects.
    case json

    /// Comma-separated values as most write them.
    public static var csv: DataFormat { .csv(CSVFormat()) }

    var problems: [String] { problems(ofTarget: false) }

    func problems(ofTarget isTarget: Bool) -> [String] {
        guard case .csv(let format) = self else { return [] }
        var found: [String] = []
        let bytes = Array(format.delimiter.utf8)
        if bytes.count != 1 || bytes[0] == 0x22 || bytes[0] == 0x0A || bytes[0] == 0x0D || bytes[0] >= 0x80 {
            found.append("the delimiter of CSV is one ASCII character, and no quote")
        }
        if format.null.utf8.contains(where: { $0 == 0x22 || $0 == 0x0A || $0 == 0x0D || $0 == bytes.first }) {
            found.append("what stands for null in CSV holds no quote, delimiter or end of line")
        }
        if format.encoding != .utf8, isTarget { found.append("CSV is written in UTF-8") }
        return found
    }

    /// What a body of it is called.
    var mediaType: String {
        switch self {
        case .csv: "text/csv; charset=utf-8"
        case .jsonLines: "application/x-ndjson"
        case .json: "application/json"
        }
    }
}

/// Comma-separated values, by RFC 4180: quotes around what holds a delimiter, a quote or an end of line, and quotes doubled.
///
/// Lines end with LF, or CRLF where it is read. An empty field without quotes is null, `""` is the empty text.
public struct CSVFormat: Hashable, Sendable {
    /// How the bytes of a file are letters.
    public enum Encoding: String, Codable, Hashable, Sendable, CaseIterable {
        case utf8 = "utf-8"
        case latin1 = "iso-8859-1"
        case windows1252 = "windows-1252"
    }

    /// One character.
    public var delimiter: String
    /// Whether the first line names the columns.
    public var hasHeader: Bool
    /// The names of the columns, where no header gives them; without both they are `c1`, `c2`, ….
    public var names: [String]
    /// What stands for null where it has no quotes around it.
    public var null: String
    public var encoding: Encoding

    /// A form of CSV.
    public init(
        delimiter: String = ",", hasHeader: Bool = true, names: [String] = [], null: String = "",
        encoding: Encoding = .utf8
    ) {
        self.delimiter = delimiter
        self.hasHeader = hasHeader
        self.names = names
        self.null = null
        self.encoding = encoding
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What a server says of a command that it runs: lines, each a JSON document, of which the last tells of the command's end.
struct RemoteAnswer {
    /// What the command has said.
    enum Piece: Hashable {
        case output(String)
        case errors(String)
    }

    enum End: Hashable {
        case exited(Int64)
        /// It did not come to an end by itself, and why.
        case failed(String)
    }

    /// Whether the command has said anything, or a sign of life has come.
    private(set) var hasBegun = false
    /// Nil: it has not ended, or nothing tells of it.
    private(set) var end: End?
    /// What is no line of a command: a refusal, or the words of something that is no Perch.
    private(set) var other: [UInt8] = []
    private var line: [UInt8] = []
    private static let mostOther = 1 << 20

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> [Piece] {
        var pieces: [Piece] = []
        for byte in bytes {
            line.append(byte)
            if byte == UInt8(ascii: "\n"), let piece = takeLine() { pieces.append(piece) }
        }
        return pieces
    }

    /// Nothing more comes: what stands behind the last line's end is a line, too.
    mutating func finish() -> [Piece] {
        let piece = line.isEmpty ? nil : takeLine()
        return piece.map { [$0] } ?? []
    }

    private mutating func takeLine() -> Piece? {
        defer { line = [] }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: String(decoding: line, as: UTF8.self))
        } catch {
            keep()
            return nil
        }
        guard case .object(let members) = document, let code = members["exit_code"] else {
            keep()
            return nil
        }
        hasBegun = true
        if case .integer(let code) = code { end = .exited(code) }
        if case .string(let why) = members["failure"] { end = .failed(why) }
        if case .string(let text) = members["output"] { return .output(text) }
        if case .string(let text) = members["errors"] { return .errors(text) }
        return nil
    }

    private mutating func keep() {
        if other.count + line.count <= Self.mostOther { other += line }
    }
}

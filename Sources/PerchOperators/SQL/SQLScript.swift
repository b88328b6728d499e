// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Statements of PostgreSQL in one text, taken apart at the semicolons that end them: the server takes one at a time where
/// there are parameters.
struct SQLScript {
    struct Statement: Hashable {
        /// With its parameters numbered from 1 without gaps.
        var text: String
        /// The line that it begins in.
        var line: Int
        /// Which parameter of the script each of its own is, from 1.
        var parameters: [Int]
        /// Its first words, in capitals.
        var words: [String]
    }

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var found: [Statement] = []

    private var text: [UInt8] = []
    private var firstLine = 0
    private var parameters: [Int] = []
    /// Their numbers in the statement, by those in the script.
    private var numbers: [Int: Int] = [:]
    private var words: [String] = []
    private var lastWord = ""
    /// How many of `BEGIN ATOMIC` and `CASE` are open in the body of a function.
    private var depth = 0

    private init(_ text: String) { bytes = Array(text.utf8) }

    /// The statements of a text; none are empty.
    /// - Throws: `NonRetryable` with the line of a quote or comment that does not end.
    static func statements(of text: String) throws(NonRetryable) -> [Statement] {
        var script = SQLScript(text)
        while script.position < script.bytes.count { try script.token() }
        script.end()
        return script.found
    }

    /// The first words of a text, in capitals; of whatever database's statements it is.
    static func words(of text: String) -> [String] {
        var script = SQLScript(text)
        do {
            while script.words.count < 3, script.position < script.bytes.count {
                try script.token()
                if let first = script.found.first { return first.words }
            }
        } catch {  // because another database may mean something else by a quote, and says itself what is wrong
            return script.words
        }
        return script.words
    }

    /// Whether a statement would end the transaction that it stands in.
    static func endsTransaction(_ words: [String]) -> Bool {
        guard let first = words.first else { return false }
        let second = words.count > 1 ? words[1] : ""
        switch first {
        case "BEGIN", "COMMIT", "END", "ABORT": return true
        case "START": return second == "TRANSACTION"
        case "PREPARE": return second == "TRANSACTION"
        case "ROLLBACK": return second != "TO" && !(second == "TRANSACTION" && words.count > 2)
        default: return false
        }
    }

    private func peek(_ offset: Int = 0) -> UInt8? {
        position + offset < bytes.count ? bytes[position + offset] : nil
    }

    private mutating func take(_ count: Int = 1) {
        for _ in 0..<count {
            if bytes[position] == 0x0A { line += 1 }
            text.append(bytes[position])
            position += 1
        }
    }

    private mutating func end() {
        if firstLine > 0 {
            let trimmed = String(decoding: text, as: UTF8.self).trimmed
            found.append(Statement(text: trimmed, line: firstLine, parameters: parameters, words: words))
        }
        (text, firstLine, parameters, numbers, words, lastWord, depth) = ([], 0, [], [:], [], "", 0)
    }

    private mutating func token() throws(NonRetryable) {
        let byte = bytes[position]
        switch byte {
        case 0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D: return take()
        case UInt8(ascii: "-") where peek(1) == byte:
            while let next = peek(), next != 0x0A { take() }
            return
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"): return try comment()
        case UInt8(ascii: ";") where depth == 0:
            position += 1
            return end()
        default: break
        }
        if firstLine == 0 { firstLine = line }
        switch byte {
        case UInt8(ascii: "'"): try quoted(byte, escapes: lastWord == "E" && text.last.map(Self.isWord) == true)
        case UInt8(ascii: "\""): try quoted(byte, escapes: false)
        case UInt8(ascii: "$"): try dollar()
        case _ where Self.isWord(byte): word()
        default:
            lastWord = ""
            take()
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: "_") || byte >= 0x80 || (0x41...0x5A).contains(byte & 0xDF)
    }

    private mutating func word() {
        let start = position
        while let next = peek(), Self.isWord(next) || next == UInt8(ascii: "$") { take() }
        let word = String(decoding: bytes[start..<position], as: UTF8.self).uppercased()
        if words.count < 3 { words.append(word) }
        if words.first == "CREATE" {
            switch word {
            case "ATOMIC" where lastWord == "BEGIN": depth += 1
            case "CASE" where depth > 0: depth += 1
            case "END" where depth > 0: depth -= 1
            default: break
            }
        }
        lastWord = word
    }

    private mutating func quoted(_ quote: UInt8, escapes: Bool) throws(NonRetryable) {
        let start = line
        take()
        while let next = peek() {
            if next == quote { return take() }
            // A quote that is doubled begins another one at once.
            take(escapes && next == UInt8(ascii: "\\") && peek(1) != nil ? 2 : 1)
        }
        throw NonRetryable("line \(start) of the SQL text: a quote does not end")
    }

    private mutating func comment() throws(NonRetryable) {
        let start = line
        var depth = 0
        repeat {
            if peek() == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
                depth += 1
                take(2)
            } else if peek() == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
                depth -= 1
                take(2)
            } else if peek() != nil {
                take()
            } else {
                throw NonRetryable("line \(start) of the SQL text: a comment does not end")
            }
        } while depth > 0
    }

    /// A parameter, or a quote between `$tag$`.
    private mutating func dollar() throws(NonRetryable) {
        lastWord = ""
        var end = position + 1
        while end < bytes.count, Self.isDigit(bytes[end]) { end += 1 }
        if end > position + 1 {
            let digits = String(decoding: bytes[position + 1..<end], as: UTF8.self)
            guard let number = Int(digits), (1...65_535).contains(number) else {
                throw NonRetryable("line \(line) of the SQL text: there is no parameter $\(digits.shown(20))")
            }
            let own = numbers[number] ?? parameters.count + 1
            if own > parameters.count { parameters.append(number) }
            numbers[number] = own
            text += "$\(own)".utf8
            position = end
            return
        }
        while end < bytes.count, Self.isWord(bytes[end]) { end += 1 }
        guard end < bytes.count, bytes[end] == UInt8(ascii: "$") else { return take() }
        let tag = Array(bytes[position...end])
        let start = line
        take(tag.count)
        while position < bytes.count {
            if bytes[position] == tag[0], bytes[position...].starts(with: tag) { return take(tag.count) }
            take()
        }
        throw NonRetryable("line \(start) of the SQL text: \(String(decoding: tag, as: UTF8.self)) does not end")
    }
}

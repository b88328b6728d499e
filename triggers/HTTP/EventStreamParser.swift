// SPDX-License-Identifier: Apache-2.0

/// Reads `text/event-stream` as it comes, wherever it is cut: lines end with CR, LF or both, a byte order mark may stand before
/// the first, and an event ends with an empty line (WHATWG HTML, 9.2.6).
struct EventStreamParser {
    /// The event under way is larger than is taken.
    struct TooLong: Error {}

    /// The last id that the server gave; what it begins with is sent when it is connected to again.
    private(set) var lastID: String
    /// The milliseconds after which the server wants to be connected to again.
    private(set) var retry: Int64?

    private let limit: Int
    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var name = ""
    private var pendingID: String
    private var wasReturn = false
    private var isFirstLine = true

    init(lastID: String = "", limit: Int) {
        self.lastID = lastID
        self.limit = limit
        pendingID = lastID
    }

    /// The events that are whole with these bytes.
    mutating func take(_ bytes: [UInt8]) throws(TooLong) -> [StreamEvent] {
        var events: [StreamEvent] = []
        for byte in bytes {
            if byte == 0x0A, wasReturn {
                wasReturn = false
                continue
            }
            wasReturn = byte == 0x0D
            if byte == 0x0A || byte == 0x0D {
                if let event = endLine() { events.append(event) }
                continue
            }
            guard line.count + data.count < limit else { throw TooLong() }
            line.append(byte)
        }
        return events
    }

    private mutating func endLine() -> StreamEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        if isFirstLine {
            isFirstLine = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        guard !line.isEmpty else { return endEvent() }
        let colon = line.firstIndex(of: UInt8(ascii: ":"))
        guard colon != 0 else { return nil }
        let field = String(decoding: line[..<(colon ?? line.count)], as: UTF8.self)
        var value = line[(colon.map { $0 + 1 } ?? line.count)...]
        if value.first == UInt8(ascii: " ") { value.removeFirst() }
        switch field {
        case "data":
            if hasData { data.append(0x0A) }
            data.append(contentsOf: value)
            hasData = true
        case "event": name = String(decoding: value, as: UTF8.self)
        case "id": if !value.contains(0) { pendingID = String(decoding: value, as: UTF8.self) }
        case "retry":
            if value.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let number = Int64(String(decoding: value, as: UTF8.self))
            {
                retry = number
            }
        default: break
        }
        return nil
    }

    private mutating func endEvent() -> StreamEvent? {
        lastID = pendingID
        defer {
            data.removeAll(keepingCapacity: true)
            hasData = false
            name = ""
        }
        guard hasData else { return nil }
        return StreamEvent(
            event: name.isEmpty ? "message" : name, id: lastID, data: String(decoding: data, as: UTF8.self))
    }
}

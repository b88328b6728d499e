// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore

/// What is to be sent of attempts' logs: bytes by try until it is time, then pieces in the order in which they are sent.
struct LogQueue {
    /// How long a piece is at most, what one transaction takes, and what waits at most, in bytes.
    static let largestPiece = 64 << 10
    static let largestBatch = 256 << 10
    private let most: Int
    /// Between two writes for one try, in microseconds.
    private static let period: Int64 = 1_000_000

    /// What was said and is not sent yet.
    private struct Said {
        /// Only where the log has begun already.
        var ifThere: [UInt8] = []
        /// Only where it has not, and there is something that has to be said.
        var past: [UInt8]?
        /// In any case.
        var always: [UInt8] = []
        var dropped = 0
        var writer: Int64 = 0

        var count: Int { ifThere.count + always.count + (past?.count ?? 0) }
    }

    private var said: [LogID: Said] = [:]
    private var order: [LogID] = []
    /// When something was sent for a try the last time; for as long as that matters.
    private var sentAt: [LogID: Int64] = [:]
    /// How many pieces were sent for tries that have not ended here.
    private var counts: [LogID: Int] = [:]
    private(set) var pieces: [LogPiece] = []
    private(set) var bytes = 0
    /// The number of the last piece that was made.
    private(set) var lastPosition: Int64 = 0

    /// - Parameter most: What waits at most, in bytes; what comes beyond that is dropped, with a note in the log.
    init(most: Int = 16 << 20) { self.most = most }

    /// Whether nothing waits.
    var isEmpty: Bool { said.isEmpty && pieces.isEmpty }

    /// Adds what a try says.
    ///
    /// - Parameter past: What comes before it where it begins the log; nil: it is not worth a new log.
    mutating func add(_ text: [UInt8], past: [UInt8]?, lines: Int, to log: LogID, writer: Int64) {
        if said[log] == nil { order.append(log) }
        var entry = said.removeValue(forKey: log) ?? Said()
        defer { said[log] = entry }
        entry.writer = writer
        guard bytes + text.count <= most else {
            entry.dropped += lines
            return
        }
        bytes += text.count
        if let past, entry.past == nil {
            entry.past = past
            bytes += past.count
        }
        if entry.past == nil { entry.ifThere += text } else { entry.always += text }
    }

    /// Makes pieces of what is due: nothing goes twice within a second for a try. `all`: of everything.
    mutating func freeze(at now: Int64, all: Bool = false) {
        sentAt = sentAt.filter { now - $0.value < Self.period && $0.value <= now }
        var left: [LogID] = []
        var seen: Set<LogID> = []
        for log in order where said[log] != nil && seen.insert(log).inserted {
            if all || (sentAt[log] == nil && !isMuted(log)) {
                freeze(log)
                sentAt[log] = now
            } else {
                left.append(log)
            }
        }
        order = left
    }

    /// Whether there is no more to say of it than that there is no room for it.
    private func isMuted(_ log: LogID) -> Bool { said[log]?.count == 0 && bytes >= most / 2 }

    /// When something is due next.
    func nextDue(after now: Int64) -> Int64? {
        order.filter { said[$0] != nil }.map { (sentAt[$0] ?? now) + Self.period }.min()
    }

    /// Makes pieces of the last that a dispatch has said. Gives how many there were of the try here.
    mutating func end(_ log: LogID) -> Int {
        freeze(log)
        sentAt[log] = nil
        return counts.removeValue(forKey: log) ?? 0
    }

    private mutating func freeze(_ log: LogID) {
        guard var entry = said.removeValue(forKey: log) else { return }
        let before = entry.count
        if entry.dropped > 0 {
            let note = "(\(entry.dropped) lines were dropped: the metastore was slower than the task)\n"
            entry.past = entry.past ?? []
            entry.always += Array(note.utf8)
        }
        var made = 0
        func make(_ text: [UInt8], _ place: LogPiece.Place) {
            let texts = TextPieces.split(text, most: Self.largestPiece, atLines: true)
            for (index, piece) in texts.enumerated() {
                lastPosition += 1
                made += piece.utf8.count
                let isRest = place == .first && index > 0
                pieces.append(
                    LogPiece(
                        log: log, writer: entry.writer, position: lastPosition, place: isRest ? .afterLast : place,
                        text: piece))
            }
            counts[log, default: 0] += texts.count
        }
        // Of a log that is new the past tells it.
        make(entry.ifThere, .later)
        make(entry.past ?? [], .first)
        make(entry.always, .always)
        bytes += made - before
        // What ends without an end here is not worth remembering for long.
        if counts.count > 100_000 { counts = [:] }
    }

    /// What the next transaction takes.
    var batch: [LogPiece] {
        var size = 0
        return Array(
            pieces.prefix { piece in
                defer { size += piece.text.utf8.count }
                return size == 0 || size + piece.text.utf8.count <= Self.largestBatch
            }.prefix(2_000))
    }

    /// The first pieces are stored, or given up.
    mutating func remove(_ count: Int) {
        bytes -= pieces.prefix(count).reduce(0) { $0 + $1.text.utf8.count }
        pieces.removeFirst(count)
    }

    /// Gives everything up.
    mutating func removeAll() {
        said = [:]
        order = []
        pieces = []
        bytes = 0
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Takes rows as they are read, picks and converts their columns, and hands them on in batches.
final class TransferPipe {
    private let target: any RowTarget
    private let columns: [TransferColumn]
    private let batchSize: Int
    private let stop: StopSignal
    private let log: TaskLog

    /// Where in a row of the source each column is.
    private var places: [Int] = []
    private var names: [String] = []
    private var hasBegun = false
    private var batch: [[SQLCell]] = []
    private var size = 0
    private var written = 0
    private var nextNote = 100_000

    init(
        _ target: any RowTarget, _ columns: [TransferColumn], _ batchSize: Int, _ stop: StopSignal, _ log: TaskLog
    ) {
        self.target = target
        self.columns = columns
        self.batchSize = batchSize
        self.stop = stop
        self.log = log
    }

    /// Takes the columns of the source. Once.
    func begin(_ given: [String]) throws {
        guard !hasBegun else { throw NonRetryable("a source is one statement that gives rows") }
        hasBegun = true
        if columns.isEmpty {
            places = Array(given.indices)
            names = given
        } else {
            for column in columns {
                guard let place = given.firstIndex(of: column.source) else {
                    let near = NearestName.of(column.source, among: given).map { "did you mean '\($0.shown(60))'?" }
                    let all = given.prefix(30).map { $0.shown(60) }.joined(separator: ", ")
                    throw NonRetryable(
                        "the source has no column '\(column.source.shown(60))'; \(near ?? "it has \(all)")")
                }
                places.append(place)
            }
            names = columns.map(\.name)
        }
        try target.begin(names)
    }

    /// Takes a row of the source.
    ///
    /// - Parameter line: The line that it begins in; 0: it has none.
    func take(_ row: [SQLCell], line: Int) throws {
        var picked: [SQLCell] = []
        picked.reserveCapacity(places.count)
        for (index, place) in places.enumerated() {
            var cell = row[place]
            if !columns.isEmpty, let kind = columns[index].kind {
                guard let converted = cell.converted(to: kind) else {
                    let row = line > 0 ? "line \(line)" : "row \(written + batch.count + 1)"
                    let shown = (cell.written ?? "").shown(80)
                    throw NonRetryable(
                        "\(row), column '\(columns[index].source.shown(60))': '\(shown)' is no \(kind.words)")
                }
                cell = converted
            }
            size += cell.size
            picked.append(cell)
        }
        batch.append(picked)
        if batch.count >= batchSize || size >= TransferOperator.batchBytes { try flush() }
    }

    private func flush() throws {
        try stop.check()
        guard !batch.isEmpty else { return }
        try target.write(batch, first: written + 1)
        written += batch.count
        batch.removeAll(keepingCapacity: true)
        size = 0
        guard written >= nextNote else { return }
        log.info("\(written) rows so far")
        nextNote = written * 2
    }

    /// Hands the last rows on, and has them stay.
    func finish() throws -> TransferReport {
        if !hasBegun {
            hasBegun = true
            try target.begin(columns.map(\.name))
        }
        try flush()
        let taken = try target.finish()
        guard taken.rows == written else {
            throw PerchError(
                .unavailable, "\(written) rows were read, but the target says that it has taken \(taken.rows)")
        }
        return TransferReport(rows: written, bytes: taken.bytes)
    }
}

extension TransferColumn.Kind {
    var words: String {
        switch self {
        case .text: "text"
        case .integer: "whole number of 64 bits"
        case .number: "number"
        case .boolean: "boolean (true or false)"
        case .json: "JSON"
        }
    }
}

extension SQLCell {
    /// The value as one of a kind; nil where it is none. Null stays null.
    func converted(to kind: TransferColumn.Kind) -> SQLCell? {
        guard let text = written else { return .null }
        switch (kind, self) {
        case (.text, .text), (.integer, .integer), (.number, .integer), (.number, .number), (.number, .decimal),
            (.boolean, .bool), (.json, .json):
            return self
        case (.text, _): return .text(text)
        case (.integer, .bool(let flag)): return .integer(flag ? 1 : 0)
        case (.integer, .number(let number)): return Int64(exactly: number).map { .integer($0) }
        case (.integer, _): return Int64(text.trimmed).map { .integer($0) }
        case (.number, .bool), (.number, .bytes), (.number, .json): return nil
        case (.number, _): return Self.number(text.trimmed)
        case (.boolean, _):
            switch text.trimmed.lowercased() {
            case "true", "t", "yes", "y", "on", "1": return .bool(true)
            case "false", "f", "no", "n", "off", "0": return .bool(false)
            default: return nil
            }
        case (.json, .bool), (.json, .integer), (.json, .decimal): return .json(text)
        case (.json, _):
            do {
                return .json(try JSONValue(parsing: text).text)
            } catch {  // because the caller says what was wanted
                return nil
            }
        }
    }

    /// A number with every digit that it has.
    private static func number(_ text: String) -> SQLCell? {
        if let whole = Int64(text) { return .integer(whole) }
        // Not what Double reads beside: hexadecimal digits, infinities.
        guard let number = Double(text), number.isFinite,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) })
        else { return nil }
        return "\(number)" == text ? .number(number) : .decimal(text)
    }
}

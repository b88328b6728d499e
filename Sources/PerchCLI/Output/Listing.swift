// SPDX-License-Identifier: Apache-2.0

/// Writes records one page after another, so that a list of a million needs no more memory than a page.
struct Listing {
    let format: OutputFormat
    /// The fields that a table shows; nil: all. The other formats always give every field.
    let columns: [String]?
    private let console: Console
    private let table: Table
    private var widths: [Int] = []
    private var count = 0
    /// Whether nothing has been added.
    var isEmpty: Bool { count == 0 }

    init(_ format: OutputFormat, columns: [String]? = nil, console: Console = .shared) {
        self.format = format
        self.columns = columns
        self.console = console
        table = Table(width: console.width)
    }

    /// Writes a page.
    mutating func add(_ records: [Record]) throws {
        guard !records.isEmpty else { return }
        switch format {
        case .json:
            for record in records {
                try console.raw(((count == 0 ? "[\n  " : ",\n  ") + Document.record(record).json).utf8)
                count += 1
            }
            return
        case .yaml:
            for record in records {
                for line in YAMLText.lines(.list([.record(record)])) { try console.line(line) }
            }
        case .plain:
            for record in records {
                try console.line(record.fields.map { Self.plain($0.value) }.joined(separator: "\t"))
            }
        case .table:
            let names = columns ?? records[0].fields.map(\.name)
            let rows = records.map { record in
                names.map { SafeText.neutralised(record[$0]?.cell ?? "") }
            }
            let headings = names.map { $0.uppercased() }
            if count == 0 {
                widths = table.widths(headings: headings, rows: rows)
                try console.line(table.line(headings, widths: widths))
            }
            for row in rows { try console.line(table.line(row, widths: widths)) }
        }
        count += records.count
    }

    /// Ends the list. `empty` is what a table says where there is nothing.
    mutating func finish(empty: String) throws {
        switch (format, count) {
        case (.json, 0), (.yaml, 0): try console.line("[]")
        case (.json, _): try console.line("\n]")
        case (.table, 0): console.say(empty)
        default: break
        }
        try console.flush()
    }

    /// Writes one object: a table gives a line to each field.
    static func show(_ record: Record, _ format: OutputFormat, console: Console = .shared) throws {
        switch format {
        case .json: try console.line(Document.record(record).prettyJSON())
        case .yaml: for line in YAMLText.lines(.record(record)) { try console.line(line) }
        case .plain: for field in record.fields { try console.line("\(field.name)\t\(plain(field.value))") }
        case .table:
            let label = record.fields.map(\.name.count).max() ?? 0
            for field in record.fields {
                guard case .list(let elements) = field.value, case .record(let first)? = elements.first else {
                    let name = field.name + String(repeating: " ", count: label - field.name.count)
                    try console.line("\(name)  \(SafeText.neutralised(field.value.cell))")
                    continue
                }
                try console.line("\(field.name):")
                let rows = elements.map { element -> [String] in
                    guard case .record(let row) = element else { return [] }
                    return row.fields.map { SafeText.neutralised($0.value.cell) }
                }
                let table = Table(width: console.width.map { $0 - 2 })
                let headings = first.fields.map { $0.name.uppercased() }
                let widths = table.widths(headings: headings, rows: rows)
                for row in [headings] + rows { try console.line("  " + table.line(row, widths: widths)) }
            }
        }
        try console.flush()
    }

    /// A field of a tab-divided line; what would divide it is made visible.
    static func plain(_ value: Document) -> String {
        SafeText.neutralised(value.cell)
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import PerchOperators
internal import PerchSDK

extension Operators {
    static let transfer = OperatorEntry(
        name: "transfer", summary: "carries rows from one place to another; how many is the output",
        shape: ObjectShape(
            name: "a transfer",
            fields: [
                Field("from", .object(source), "where the rows come from", required: true, others: ["source"]),
                Field("to", .object(target), "where they go", required: true, others: ["target", "destination"]),
                Field("columns", .list(.object(column)), "the columns to carry, in this order; all of them"),
                Field("batch_size", .integer(1...1_000_000), "how many rows are held at once; 5000"),
            ])
    ) { value in
        guard let from = value["from"], let to = value["to"] else { throw PerchError(.invalid, "no places") }
        var code = TransferOperator(from: source(from), to: try target(to))
        code.columns = (value["columns"]?.elements ?? []).map { column in
            TransferColumn(
                column["name"]?.text ?? "", as: column["as"]?.text,
                column["type"]?.text.flatMap { TransferColumn.Kind(rawValue: $0) })
        }
        if let size = value["batch_size"]?.integer { code.batchSize = size }
        return code
    }

    private static let source = ObjectShape(
        name: "a source",
        fields: [Field("sql", .object(query), "a query")] + files + [
            Field(
                "http",
                .object(
                    ObjectShape(
                        name: "a request",
                        fields: request + [
                            Field("rows", .text, "the path in a body of JSON at which the rows are: $.data.items"),
                            Field(
                                "next", .text,
                                "where the next page is: 'link' (the header Link), or a path in the body: $.next"),
                        ],
                        short: "url")), "the answer to a GET request")
        ],
        rules: [.exactlyOne(["sql", "csv", "json", "json_lines", "http"])])

    private static let target = ObjectShape(
        name: "a target",
        fields: [
            Field(
                "table",
                .object(
                    ObjectShape(
                        name: "a table",
                        fields: [
                            Field("name", .template, "a table that is there: orders, or sales.orders", required: true),
                            Field(
                                "connection", .template, "the id of a connection: postgres, redshift or sqlite",
                                required: true, others: ["conn_id"]),
                            Field(
                                "mode", .choice(["append", "replace", "upsert"]),
                                "whether the rows that are there stay, go, or are overwritten; append"),
                            Field("keys", .oneOrMore(.text), "the columns by which an upsert takes rows as the same"),
                        ],
                        rules: [.needs("keys", ["mode"])])), "a table of a database")
        ] + files + [
            Field(
                "http",
                .object(
                    ObjectShape(
                        name: "a request", fields: request + [Field("method", .text, "POST")], short: "url")),
                "a request for each batch")
        ],
        rules: [.exactlyOne(["table", "csv", "json", "json_lines", "http"])])

    private static let files: [Field] = [
        Field(
            "csv",
            .object(
                ObjectShape(
                    name: "a CSV file",
                    fields: [
                        Field("path", .template, "the file", required: true),
                        Field("delimiter", .text, "between fields; ','"),
                        Field("header", .flag, "whether the first line names the columns; true"),
                        Field("names", .list(.text), "the names of the columns, where no header gives them"),
                        Field("null", .text, "what stands for null; nothing"),
                        Field(
                            "encoding", .choice(CSVFormat.Encoding.allCases.map(\.rawValue)),
                            "how its bytes are letters; utf-8"),
                    ],
                    short: "path")), "a file of comma-separated values"),
        Field("json", .template, "a file with one JSON array of objects"),
        Field("json_lines", .template, "a file with one JSON object a line", others: ["jsonl", "ndjson"]),
    ]

    private static let request: [Field] = [
        Field("url", .template, "http or https; with a connection, what follows its address"),
        Field("connection", .template, "the id of a connection: http or https", others: ["conn_id"]),
        Field("headers", .dictionary(.template), "headers"),
        Field("format", .choice(["json", "json_lines", "csv"]), "how rows stand in a body; json"),
    ]

    private static let column = ObjectShape(
        name: "a column",
        fields: [
            Field("name", .text, "its name in the source", required: true, others: ["from"]),
            Field("as", .text, "its name in the target", others: ["to"]),
            Field(
                "type", .choice(TransferColumn.Kind.allCases.map(\.rawValue)),
                "what its values have to be; texts are read as it", others: ["kind"]),
        ],
        short: "name")

    private static func source(_ value: YAMLValue) -> TransferSource {
        if let sql = value["sql"] {
            return .query(
                text(of: sql), connection: sql["connection"]?.text ?? "", parameters: parameters(of: sql))
        }
        if let (path, format) = file(value) { return .file(path, format) }
        guard let http = value["http"] else { return .file("", .json) }
        var request = request(http, method: "GET")
        request.rows = http["rows"]?.text
        if let next = http["next"]?.text { request.next = next == "link" ? .link : .at(next) }
        return .answer(request)
    }

    private static func target(_ value: YAMLValue) throws(YAMLProblem) -> TransferTarget {
        if let (path, format) = file(value) { return .file(path, format) }
        if let http = value["http"] { return .requests(request(http, method: http["method"]?.text ?? "POST")) }
        guard let table = value["table"] else { return .file("", .json) }
        let keys = table["keys"]?.elements.compactMap(\.text)
        let mode: TableMode
        switch table["mode"]?.text {
        case "replace": mode = .replace
        case "upsert": mode = .upsert(keys: keys ?? [])
        default: mode = .append
        }
        if let keys = table["keys"], table["mode"]?.text != "upsert" {
            throw YAMLProblem(place: keys.place, message: "'keys' of a table stands beside 'mode: upsert' only")
        }
        return .table(table["name"]?.text ?? "", connection: table["connection"]?.text ?? "", mode)
    }

    private static func file(_ value: YAMLValue) -> (path: String, format: DataFormat)? {
        if let path = value["json"]?.text { return (path, .json) }
        if let path = value["json_lines"]?.text { return (path, .jsonLines) }
        guard let csv = value["csv"] else { return nil }
        var format = CSVFormat()
        if let delimiter = csv["delimiter"]?.text { format.delimiter = delimiter }
        if let header = csv["header"] { format.hasHeader = header.isTrue }
        format.names = csv["names"]?.elements.compactMap(\.text) ?? []
        if let null = csv["null"]?.text { format.null = null }
        if let encoding = csv["encoding"]?.text.flatMap({ CSVFormat.Encoding(rawValue: $0) }) {
            format.encoding = encoding
        }
        return (csv["path"]?.text ?? "", .csv(format))
    }

    private static func request(_ value: YAMLValue, method: String) -> TransferRequest {
        let format: DataFormat
        switch value["format"]?.text {
        case "csv": format = .csv
        case "json_lines": format = .jsonLines
        default: format = .json
        }
        return TransferRequest(
            value["url"]?.text ?? "", as: format, connection: value["connection"]?.text,
            headers: texts(value["headers"]), method: method)
    }
}

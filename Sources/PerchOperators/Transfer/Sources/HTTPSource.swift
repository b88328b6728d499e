// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Rows of the answers to requests. A body goes through a file without a name, so that no row is written before all of it is there.
struct HTTPSource: RowSource {
    private let request: TransferRequest
    private let columns: [TransferColumn]
    private let stop: StopSignal
    /// More pages are a server that leads in a circle.
    private static let mostPages = 100_000

    init(_ request: TransferRequest, _ columns: [TransferColumn], _ stop: StopSignal) {
        self.request = request
        self.columns = columns
        self.stop = stop
    }

    func read(into pipe: TransferPipe) throws {
        let rows = JSONRows(pipe, columns)
        var url: String? = request.url
        var seen: Set<String> = []
        var pages = 0
        while let page = url {
            pages += 1
            guard seen.insert(page).inserted, pages <= Self.mostPages else {
                throw NonRetryable("\(request.name): page \(pages) names one as the next that was there already")
            }
            let name = pages == 1 ? request.name : "\(request.name), page \(pages)"
            let next =
                request.isLookedInto
                ? try lookInto(page, name, rows) : try pass(page, name, pipe, rows)
            url = try next.map { try self.next($0, after: page) }
        }
    }

    /// The rows of one page that is read whole.
    private func lookInto(_ url: String, _ name: String, _ rows: JSONRows) throws -> String? {
        let response = try request.exchange(request.request(url), name: name).perform(stop)
        try check(response, name)
        let body: JSONValue
        do {
            body = try response.json
        } catch {
            throw NonRetryable("\(name): the body is no JSON: \(error)")
        }
        let found = request.rows.map { JSONPath($0).values(in: body) } ?? [body]
        guard found.count == 1, case .array(let elements) = found[0] else {
            throw NonRetryable("\(name): there is no array at \((request.rows ?? "$").shown(60))")
        }
        for (index, element) in elements.enumerated() {
            try rows.take(element, place: "\(name): element \(index + 1)", line: 0)
        }
        switch request.next {
        case .none: return nil
        case .link: return Self.link(response.headers["link"])
        case .at(let path):
            guard case .string(let next)? = JSONPath(path).values(in: body).first, !next.isEmpty else { return nil }
            return next
        }
    }

    /// The rows of one page that passes through a file.
    private func pass(_ url: String, _ name: String, _ pipe: TransferPipe, _ rows: JSONRows) throws -> String? {
        let file = try Self.nameless()
        defer { close(file) }
        let response = try request.exchange(request.request(url), name: name).perform(stop) { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    throw PerchError(
                        .unavailable, "\(name): no place for the body: \(String(cString: strerror(errno)))")
                }
                rest = rest.dropFirst(count)
            }
        }
        if !(200...299).contains(response.status) {
            var start = [UInt8](repeating: 0, count: 200)
            let count = max(0, pread(file, &start, 200, 0))
            let text = String(decoding: start[..<count], as: UTF8.self)
            try check(HTTPResponse(status: response.status, body: text), name)
        }
        lseek(file, 0, SEEK_SET)
        let reader: any RowReader =
            switch request.format {
            case .csv: request.format.reader(into: pipe, columns)
            case .jsonLines: JSONLinesReader(rows)
            case .json: JSONArrayReader(rows)
            }
        try FileSource.read(file, name, reader, stop)
        if case .link = request.next { return Self.link(response.headers["link"]) }
        return nil
    }

    private func check(_ response: HTTPResponse, _ name: String) throws {
        guard (200...299).contains(response.status) else {
            let start = response.body.shown(200)
            throw PerchError(
                .unavailable,
                "\(name) gave \(response.status), expected was 200 to 299" + (start.isEmpty ? "" : ": \(start)"))
        }
    }

    private static func nameless() throws -> Int32 {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var path = Array("\(folder)/perch-transfer-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        guard file >= 0 else {
            throw PerchError(.unavailable, "no file can be made in \(folder): \(String(cString: strerror(errno)))")
        }
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        unlink(path)
        return file
    }

    /// The address of `rel="next"` in a header `Link`.
    static func link(_ header: String?) -> String? {
        guard let header else { return nil }
        var rest = header[...]
        while let open = rest.firstIndex(of: "<"), let close = rest[open...].firstIndex(of: ">") {
            let url = rest[rest.index(after: open)..<close]
            rest = rest[rest.index(after: close)...]
            let parameters = rest.prefix { $0 != "<" }.split(whereSeparator: { $0 == ";" || $0 == "," })
            for parameter in parameters {
                let text = parameter.trimmed.lowercased().replacing("\"", with: "")
                guard text.hasPrefix("rel=") else { continue }
                if text.dropFirst(4).split(separator: " ").contains("next") { return String(url) }
            }
        }
        return nil
    }

    /// The next page's whole address. It stays with the server that was asked, which alone is told who asks.
    private func next(_ url: String, after page: String) throws -> String {
        let origin = Self.origin(page)
        if url.hasPrefix("/") { return origin + url }
        if url.hasPrefix("?") { return page.prefix { $0 != "?" } + url }
        guard url.contains("://") else {
            let path = page.prefix { $0 != "?" }
            guard let slash = path.lastIndex(of: "/") else { return origin + "/" + url }
            return path[...slash] + url
        }
        guard Self.origin(url).lowercased() == origin.lowercased() else {
            throw NonRetryable(
                "\(request.name): the next page is at another server, \(HTTPExchange.shown(url).shown(200))")
        }
        return url
    }

    private static func origin(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        return String(url[..<scheme.upperBound])
            + url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    }
}

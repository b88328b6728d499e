// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Sends each batch as a request of its own.
final class HTTPTarget: RowTarget {
    private let request: TransferRequest
    private let stop: StopSignal
    private var columns: [String] = []
    private var batches = 0
    private var rows = 0
    private var bytes = 0

    init(_ request: TransferRequest, _ stop: StopSignal) {
        self.request = request
        self.stop = stop
    }

    func begin(_ columns: [String]) throws { self.columns = columns }

    func write(_ rows: [[SQLCell]], first: Int) throws {
        batches += 1
        var body: [UInt8] = []
        let writer = request.format.writer()
        writer.begin(columns, &body)
        for row in rows { writer.row(row, &body) }
        writer.end(&body)
        var request = request.request(request.url, body: String(decoding: body, as: UTF8.self))
        request.maximumBodySize = 1 << 20
        for (name, value) in [
            ("Content-Type", self.request.format.mediaType), ("Idempotency-Key", "\(self.request.key)-\(batches)"),
        ] where !request.headers.keys.contains(where: { $0.lowercased() == name.lowercased() }) {
            request.headers[name] = value
        }
        let name = "\(self.request.name), rows \(first) to \(first + rows.count - 1)"
        let response = try self.request.exchange(request, name: name).perform(stop)
        guard (200...299).contains(response.status) else {
            let start = response.body.shown(200)
            throw PerchError(
                .unavailable,
                "\(name) gave \(response.status), expected was 200 to 299" + (start.isEmpty ? "" : ": \(start)"))
        }
        self.rows += rows.count
        bytes += body.count
    }

    func finish() throws -> (rows: Int, bytes: Int) { (rows, bytes) }
    func abandon() {}
}

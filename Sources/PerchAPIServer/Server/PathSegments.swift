// SPDX-License-Identifier: Apache-2.0

extension [Endpoint.Segment] {
    /// The parts of a path in which a part in braces is a name: `dags/{dag_id}`.
    init(parsing path: String) {
        self = path.split(separator: "/").map { part in
            part.hasPrefix("{") ? .name(String(part.dropFirst().dropLast())) : .fixed(String(part))
        }
    }

    /// The names in a path, where it is one of these.
    func names(in path: some Collection<String>) -> [String: String]? {
        guard path.count == count else { return nil }
        var names: [String: String] = [:]
        for (part, segment) in zip(path, self) {
            switch segment {
            case .fixed(let text): guard part == text else { return nil }
            case .name(let name):
                guard !part.isEmpty else { return nil }
                names[name] = part
            }
        }
        return names
    }
}

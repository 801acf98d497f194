"""A small reader of GGUF files, written from the specification, to hold what Edgewise writes against."""
import array
import struct

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
BLOCK_BYTES = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
               11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 20: (32, 18), 23: (256, 136),
               30: (1, 2)}  # type: (elements, bytes)


class Gguf:
    """keys: {name: value}; tensors: {name: (dimensions, row length first, type id, bytes)}."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.at = 4
        assert self.data[:4] == b"GGUF" and self.take("I") == 3
        n_tensors, n_keys = self.take("Q"), self.take("Q")
        self.keys = {}
        for _ in range(n_keys):
            name = self.string()
            self.keys[name] = self.value(self.take("I"))
        table = []
        for _ in range(n_tensors):
            name = self.string()
            dims = [self.take("Q") for _ in range(self.take("I"))]
            table.append((name, dims, self.take("I"), self.take("Q")))
        align = self.keys.get("general.alignment", 32)
        start = -(-self.at // align) * align
        self.tensors = {}
        for name, dims, kind, offset in table:
            n = 1
            for d in dims:
                n *= d
            elements, size = BLOCK_BYTES[kind]
            self.tensors[name] = (dims, kind, self.data[start + offset:start + offset + n // elements * size])

    def take(self, code):
        value = struct.unpack_from("<" + code, self.data, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        n = self.take("Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element, n = self.take("I"), self.take("Q")
            return [self.value(element) for _ in range(n)]
        return self.take(SCALARS[kind])

    def floats(self, name):
        """An F32 tensor as a list of rows (of one row, where it is a vector)."""
        dims, kind, data = self.tensors[name]
        assert kind == 0, name
        flat = array.array("f", data)
        return [flat[i:i + dims[0]] for i in range(0, len(flat), dims[0])]

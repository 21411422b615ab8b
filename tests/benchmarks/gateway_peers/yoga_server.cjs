// graphql-yoga on Node with all records in memory: node yoga_server.cjs PORT
"use strict";

const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { createSchema, createYoga } = require("graphql-yoga");

const setup = JSON.parse(readFileSync(process.env.GATEWAY_PEER_SETUP, "utf8"));

function records(file) {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return new Map(lines.map((line) => JSON.parse(line)).map((record) => [record.id, record]));
}

const products = records(setup.records.products);
const orders = records(setup.records.orders);
const catalogue = [...records(setup.records.catalogue).values()];
const some = (map, ids) => ids.map((id) => map.get(id) ?? null);

const resolvers = {
  Query: {
    product: (_, { id }) => products.get(id) ?? null,
    products: (_, { ids }) => some(products, ids),
    orders: (_, { ids }) => some(orders, ids),
    catalogue: () => catalogue,
  },
  Order: {
    product: (order) => products.get(order.productId) ?? null,
  },
};

const yoga = createYoga({
  schema: createSchema({ typeDefs: setup.sdl, resolvers }),
  graphiql: false,
  landingPage: false,
  logging: false,
});

createServer(yoga).listen(Number(process.argv[2]), "127.0.0.1");
